// The completion scripts of the shells. They know nothing of the commands: they ask the program at each tab key.

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

const bash = `# bash completion of walkaway(1)
_walkaway() {
    local line cur="\${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames
            while IFS= read -r line; do
                COMPREPLY+=("$line")
            done < <(compgen -f -- "$cur")
        else
            line="\${line%%$'\\t'*}"
            # Inside of quotes that were opened, only what is special there is escaped; bash closes them.
            case $cur in
                \\"*) COMPREPLY+=("$(sed 's/[\\"$\`]/\\\\&/g' <<< "$line")") ;;
                \\'*) COMPREPLY+=("$(sed "s/'/'\\\\\\\\''/g" <<< "$line")") ;;
                *) COMPREPLY+=("$(printf %q "$line")") ;;
            esac
        fi
    done < <(walkaway __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _walkaway walkaway
`

const zsh = `#compdef walkaway
# zsh completion of walkaway(1)
_walkaway() {
    local line
    local -a candidates
    for line in "\${(@f)$(walkaway __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            ('') ;;
            (:files) _files ;;
            (*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
        esac
    done
    (( $#candidates )) && _describe walkaway candidates
}
if [ "$funcstack[1]" = _walkaway ]; then
    _walkaway "$@"
else
    compdef _walkaway walkaway
fi
`

const fish = `# fish completion of walkaway(1)
function __walkaway_complete
    set -l words (commandline -opc)[2..-1] (commandline -ct)
    for line in (walkaway __complete -- $words 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c walkaway -f -a '(__walkaway_complete)'
`

export const completionScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish }

/** Where each is looked for when it is installed. */
export const completionPaths: Readonly<Record<Shell, string>> = {
  bash: '/usr/share/bash-completion/completions/walkaway',
  zsh: '/usr/share/zsh/vendor-completions/_walkaway',
  fish: '/usr/share/fish/vendor_completions.d/walkaway.fish',
}
