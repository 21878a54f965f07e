import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from './errors.ts';

/** An invocation worth showing, and what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** A command with examples: help, `docs/cli.md` and completion come from what is declared here. */
export class CliCommand extends Command {
  readonly examples: Example[] = [];

  override createCommand(name?: string): CliCommand {
    return new CliCommand(name).helpCommand(false);
  }

  /** @param line as it is typed. @param does one short phrase without a full stop. */
  example(line: string, does: string): this {
    this.examples.push({ line, does });
    return this;
  }

  /** An option whose value is parsed; what the parser refuses is told together with the option's name. */
  parsedOption<T>(flags: string, description: string, parse: (text: string) => T): this {
    return this.addOption(new Option(flags, description).argParser(usageAsCommander(parse)));
  }

  /** Like `parsedOption`, and the command refuses to run without it. */
  requiredParsedOption<T>(flags: string, description: string, parse: (text: string) => T): this {
    const option = new Option(flags, description).argParser(usageAsCommander(parse));
    return this.addOption(option.makeOptionMandatory());
  }

  /** An option of several values, each parsed; `flags` ends with `...>`. */
  parsedList<T>(flags: string, description: string, parse: (text: string) => T): this {
    const parseOne = usageAsCommander(parse);
    return this.addOption(
      new Option(flags, description).argParser((text: string, before: readonly T[] | undefined) => [
        ...(before ?? []),
        parseOne(text),
      ]),
    );
  }

  /** An option with a closed list of values. */
  choiceOption(flags: string, description: string, choices: readonly string[]): this {
    return this.addOption(new Option(flags, description).choices(choices));
  }

  /** An argument that is parsed, e.g. by `parseInstance`. */
  parsedArgument<T>(name: string, description: string, parse: (text: string) => T): this {
    return this.addArgument(new Argument(name, description).argParser(usageAsCommander(parse)));
  }

  /** Like `parsedArgument` for several values; `name` ends with `...]` or `...>`. */
  parsedArguments<T>(name: string, description: string, parse: (text: string) => T): this {
    const parseOne = usageAsCommander(parse);
    return this.addArgument(
      new Argument(name, description)
        .argParser((text: string, before: readonly T[]) => [...before, parseOne(text)])
        .default([]),
    );
  }
}

/** Lets commander put the name of the option or argument before what the parser says. */
export function usageAsCommander<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const { message, hint } = error;
      throw new InvalidArgumentError(hint === undefined ? `${message}.` : `${message}. ${hint}`);
    }
  };
}
