/** The type of the configuration, derived from the table of variables. */
import type { Kind, KindValues } from './kinds.ts';
import type { OptionName, OPTIONS } from './options.ts';

type Row<N extends OptionName> = (typeof OPTIONS)[N];

type Parsed<S> = S extends { readonly choices: readonly (infer C)[] }
  ? C
  : S extends { readonly kind: infer K extends Kind }
    ? KindValues[K]
    : never;

type MayBeAbsent<S> = S extends { readonly default: string } | { readonly derived: string }
  ? never
  : undefined;

/**
 * All settings, by the names of the table. Plain and frozen, so it can be handed to other threads. `Bytes` and `Ms`
 * are in the names; `apiToken` is a secret: log `redactConfig(config)`, never the object.
 */
export type Config = {
  readonly [N in OptionName]: Parsed<Row<N>> | MayBeAbsent<Row<N>>;
};

/** Settings without a default of their own that follow from others or from the machine. */
export type DerivedName = {
  [N in OptionName]: Row<N> extends { readonly derived: string } ? N : never;
}[OptionName];

/** Values before derived defaults are added. */
export type GivenValues = {
  readonly [N in OptionName]: Config[N] | undefined;
};

/** What the machine contributes to the defaults. */
export interface SystemFacts {
  readonly cores: number;
  readonly hostName: string;
}
