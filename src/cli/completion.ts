// `weft completion`: scripts for bash, zsh and fish. They ask `weft __complete` for the candidates.
import type { Command } from 'commander';
import { WeftError } from '../lib/errors.ts';
import { newCommand } from './command.ts';
import type { Terminal } from './terminal.ts';

const BASH = `# bash completion for weft: source <(weft completion bash)
_weft() {
  local IFS=$'\\n' current=\${COMP_WORDS[COMP_CWORD]}
  # bash takes "=" and ":" for ends of words; weft's own words go on behind them.
  COMPREPLY=($(compgen -W "$(weft __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$current"))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o nosort -F _weft weft
`;

const ZSH = `#compdef weft
# zsh completion for weft: source <(weft completion zsh)
_weft() {
  local -a candidates
  candidates=("\${(@f)$(weft __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=(\${candidates:#})
  if (( \${#candidates} )); then compadd -a candidates; else _files; fi
}
compdef _weft weft
`;

const FISH = `# fish completion for weft: weft completion fish | source
function __weft_candidates
    set -l words (commandline -opc) (commandline -ct)
    weft __complete -- $words[2..-1] 2>/dev/null
end
complete -c weft -a '(__weft_candidates)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export const command = (terminal: Terminal): Command =>
  newCommand('completion', 'Prints a completion script for your shell.', [
    'source <(weft completion bash)',
    'source <(weft completion zsh)',
    'weft completion fish | source',
  ])
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (!script) throw new WeftError('USAGE', `no completion for "${shell}"`, { hint: 'bash, zsh or fish' });
      terminal.write(script);
    });
