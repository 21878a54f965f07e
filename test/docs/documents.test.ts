/** What documents point at is there: sections, files, commands, variables and metrics. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { unknownOwnNames, UNSUPPORTED_VARIABLES } from '../../src/config/environment-names.ts';
import { OPTION_ROWS } from '../../src/config/options.ts';
import { isProvisioningName } from '../../src/config/provisioning.ts';
import { loadReplications } from '../../src/config/replication-variables.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
];

const OPTIONS: ReadonlySet<string> = new Set(OPTION_ROWS.map(([, { env }]) => env));

function isVariable(name: string): boolean {
  if (name.startsWith('MILLRACE_')) return unknownOwnNames({ [name]: 'x' }).length === 0;
  return (
    OPTIONS.has(name) ||
    isProvisioningName(name) ||
    loadReplications({ [name]: 'x' }).used.has(name) ||
    UNSUPPORTED_VARIABLES.some(({ pattern }) => pattern.test(name))
  );
}

const texts: ReadonlyMap<string, string> = new Map(
  PAGES.map((page) => [page, readFileSync(join(ROOT, page), 'utf8')]),
);

function textOf(page: string): string {
  const text = texts.get(page);
  if (text === undefined) throw new Error(`no page ${page}`);
  return text;
}

/** Without what stands between fences. */
function prose(page: string): string {
  return textOf(page).replaceAll(/^ *```[^]*?^ *```/gm, '');
}

interface Section {
  readonly level: number;
  readonly title: string;
  readonly anchor: string;
}

/** As GitHub makes them: lower case, without punctuation, hyphens for blanks, numbered when repeated. */
function sections(page: string): Section[] {
  const seen = new Map<string, number>();
  return [...prose(page).matchAll(/^(#+) (.+)$/gm)].map(([, hashes = '', title = '']) => {
    const slug = title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return { level: hashes.length, title, anchor: before === 0 ? slug : `${slug}-${before}` };
  });
}

describe.each(PAGES)('%s', (page) => {
  test('has only links that lead somewhere', () => {
    const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const dead = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(ROOT, target))) return true;
      if (anchor === undefined) return false;
      return !texts.has(target) || !sections(target).some((section) => section.anchor === anchor);
    });
    expect(dead).toEqual([]);
  });

  test('has a list of contents with all of its sections in order, if it has one', () => {
    const [contents] = /^(?: *- \[.+\]\(#.+\)\n)+/m.exec(prose(page).split(/^## /m)[0] ?? '') ?? [];
    if (contents === undefined) return;
    const listed = [...contents.matchAll(/^( *)- \[(.+)\]\(#(.+)\)$/gm)].map(
      ([, indent = '', title = '', anchor = '']) => ({
        level: 2 + indent.length / 2,
        title,
        anchor,
      }),
    );
    const deepest = Math.max(...listed.map(({ level }) => level));
    expect(listed).toEqual(sections(page).filter(({ level }) => level >= 2 && level <= deepest));
  });

  test('names files that are there', () => {
    const named = prose(page).matchAll(
      /`((?:src|test|bench|docs|workers|docker|\.ci)\/[\w./-]+)`/g,
    );
    const missing = [...named].map(([, path = '']) => path);
    expect(missing.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test('names scripts that are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const named = textOf(page).matchAll(/npm run (?:-s )?([a-z][a-z:]*)/g);
    const missing = [...named].map(([, script = '']) => script);
    expect(missing.filter((script) => !(script in scripts))).toEqual([]);
  });

  test('names variables that have a meaning', () => {
    // Those with `<ID>` or `*` in them stand for many.
    const named = textOf(page).matchAll(/\b(?:RS|MILLRACE)_[A-Z0-9_]*[A-Z0-9]\b(?!_?[<*])/g);
    expect([...named].map(([name]) => name).filter((name) => !isVariable(name))).toEqual([]);
  });

  test('names metrics that are in the table of metrics', () => {
    const table = textOf('docs/metrics.md');
    const named = textOf(page).matchAll(/\bmillrace_[a-z_]*[a-z]\b(?!_?[<*{…])/g);
    const missing = [...named].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''));
    expect(missing.filter((name) => !table.includes(`| \`${name}`))).toEqual([]);
  });
});
