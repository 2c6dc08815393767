/** JSON with bigints, which come back as such. */

/** Marks bigints. */
const BIGINT = '#bigint';

/** JSON text in which bigints are marked. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint' ? { [BIGINT]: item.toString() } : item,
  );
}

/** The value of {@link toJson}'s text. */
export function fromJson(text: string): unknown {
  return JSON.parse(text, (_, item: unknown) => {
    if (typeof item !== 'object' || item === null || !(BIGINT in item)) return item;
    return BigInt(String(item[BIGINT]));
  });
}
