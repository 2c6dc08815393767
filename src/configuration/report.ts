/** Settings as they are shown: effective values with their origins, secrets masked. */
import { textTable } from '../plain-text.ts';
import { originText, type Resolved } from './resolve.ts';
import type { Configuration, Setting, Settings } from './setting.ts';

const MASK = '***';

/** Values and origins as plain data. */
export function settingsReport(
  { settings }: Configuration,
  { values, origins }: Resolved<Settings>,
): Record<string, { readonly value: unknown; readonly from: string }> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [
      name,
      { value: masked(setting, values[name]) ?? null, from: originText(origins[name]!) },
    ]),
  );
}

/** The same as a table. */
export function settingsTable(configuration: Configuration, resolved: Resolved<Settings>): string {
  const rows = Object.entries(settingsReport(configuration, resolved)).map(([name, { value, from }]) => [
    name,
    textOf(value),
    from,
  ]);
  const columns = ['setting', 'value', 'from'].map((title) => ({ title, align: 'left' as const }));
  return textTable(columns, rows);
}

function masked({ secret }: Setting, value: unknown): unknown {
  if (secret === undefined || value === undefined) return value;
  const mask = secret === 'url' ? maskedUrl : () => MASK;
  return Array.isArray(value) ? value.map(mask) : mask(value);
}

/** Protocol and host: user, path and query may hold keys. */
function maskedUrl(value: unknown): string {
  try {
    const { protocol, host } = new URL(String(value));
    return `${protocol}//${host}/${MASK}`;
  } catch {
    return MASK;
  }
}

function textOf(value: unknown): string {
  if (value === null) return '-';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
