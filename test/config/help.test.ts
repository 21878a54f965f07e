import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { describeConfig, markdownSections } from '../../src/config/help.ts';

const DOCS = fileURLToPath(new URL('../../docs/configuration.md', import.meta.url));

/** The page with its generated sections as the table gives them. `UPDATE_DOCS=1` writes it. */
function regenerated(page: string): string {
  let result = page;
  for (const [name, content] of Object.entries(markdownSections())) {
    const section = new RegExp(`(<!-- begin ${name} -->\n)[^]*?(<!-- end ${name} -->)`);
    expect(result, `markers of ${name}`).toMatch(section);
    result = result.replace(
      section,
      (_, begin: string, end: string) => `${begin}\n${content}\n\n${end}`,
    );
  }
  return result;
}

test('docs/configuration.md says what the table says', () => {
  const page = readFileSync(DOCS, 'utf8');
  const wanted = regenerated(page);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCS, wanted);
  else expect(page, 'UPDATE_DOCS=1 npx vitest run test/config writes it').toBe(wanted);
});

describe('the help text', () => {
  test('is the one that was reviewed', async () => {
    await expect(describeConfig()).toMatchFileSnapshot('./help.txt');
  });

  test('fits a terminal of 100 columns', () => {
    for (const line of describeConfig().split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});
