/** x */
import type { Narrator } from './narrator.ts';
import type { DemoOptions } from './options.ts';
export async function fullStory(_n: Narrator, _o: DemoOptions): Promise<void> {}
