// Where the program keeps things while it runs and over time (SPEC section 1). systemd makes the folders.

export const runtimeDirectory = '/run/walkaway'
export const stateDirectory = '/var/lib/walkaway'
export const controlSocket = `${runtimeDirectory}/control.sock`

/** For the first configuration: the example, to be changed. */
export const copyExample = (configFile: string): string =>
  `cp /usr/share/doc/walkaway/examples/config.example.yaml ${configFile}`
