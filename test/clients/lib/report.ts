/** The report of a scenario program: one JSON line per step, and a last one about the methods it called. */

export interface ScenarioReport {
  /** Error text by step, undefined for a step that passed; in the order of the run. */
  readonly steps: ReadonlyMap<string, string | undefined>;
  /** Public methods of the client, and those that no step has called. Absent when the program ended early. */
  readonly methods: { readonly declared: number; readonly missing: readonly string[] } | undefined;
}

interface ReportLine {
  readonly step?: string;
  readonly error?: string | null;
  readonly declared?: number;
  readonly missing?: readonly string[];
}

/** Reads what a scenario program printed; lines that are not JSON objects are passed over. */
export function parseReport(stdout: string): ScenarioReport {
  const steps = new Map<string, string | undefined>();
  let methods: ScenarioReport['methods'];
  for (const line of stdout.split('\n')) {
    if (!line.startsWith('{')) continue;
    const { step, error, declared, missing }: ReportLine = JSON.parse(line);
    if (step !== undefined) steps.set(step, error ?? undefined);
    if (declared !== undefined && missing !== undefined) methods = { declared, missing };
  }
  return { steps, methods };
}
