/** What shells source. Each asks `millrace __complete` for words; where there is none, files are completed. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Not for people: prints the words that can follow, one a line. */
export const COMPLETE_COMMAND = '__complete';

/** How a shell takes the script. */
export const INSTALL_LINES: Readonly<Record<Shell, string>> = {
  bash: 'source <(millrace completion bash)',
  zsh: 'source <(millrace completion zsh)',
  fish: 'millrace completion fish | source',
};

// bash splits words at `=` and `:`; an option and its value are put together again before they are asked for, and what
// stands before the last of these characters is cut off the answers.
const BASH = `# Completion of millrace for bash. In ~/.bashrc: ${INSTALL_LINES.bash}
_millrace() {
  local line words=() word found
  line="\${COMP_LINE:0:COMP_POINT}"
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  word="\${words[-1]}"
  COMPREPLY=()
  while IFS= read -r found; do
    [[ "$found" == */ ]] && compopt -o nospace
    if [[ "$word" == *=* ]]; then found="\${found#*=}"; fi
    COMPREPLY+=("$found")
  done < <(millrace ${COMPLETE_COMMAND} "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _millrace millrace
`;

const ZSH = `#compdef millrace
# Completion of millrace for zsh. In ~/.zshrc, behind compinit: ${INSTALL_LINES.zsh}
_millrace() {
  local -a found open
  found=(\${(f)"$(millrace ${COMPLETE_COMMAND} "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  open=(\${(M)found:#*/})
  found=(\${found:#*/})
  (( $#open )) && compadd -S '' -- $open
  (( $#found )) && compadd -- $found
  (( $#open + $#found )) || _files
}
compdef _millrace millrace
`;

const FISH = `# Completion of millrace for fish. In ~/.config/fish/config.fish: ${INSTALL_LINES.fish}
function __millrace_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (millrace ${COMPLETE_COMMAND} $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c millrace -f -a '(__millrace_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
