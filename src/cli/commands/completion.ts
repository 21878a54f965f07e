import { Argument } from 'commander';
import type { CliCommand } from '../command.ts';
import { completionScript, INSTALL_LINES, type Shell, SHELLS } from '../completion-scripts.ts';
import type { CliContext } from '../context.ts';

/** `completion bash|zsh|fish`: the script that a shell sources. */
export function addCompletionCommand(program: CliCommand, { output }: CliContext): void {
  program
    .command('completion')
    .description('Prints the script with which a shell completes commands, options and aliases.')
    .addArgument(new Argument('<shell>', SHELLS.join(', ')).choices(SHELLS))
    .example(INSTALL_LINES.bash, 'in ~/.bashrc')
    .example(INSTALL_LINES.zsh, 'in ~/.zshrc, behind compinit')
    .example(INSTALL_LINES.fish, 'in ~/.config/fish/config.fish')
    .action((shell: Shell) => output.raw(completionScript(shell)));
}
