/** Where the binaries of forge and anvil lie. */
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { ChainError } from './errors.ts';

const require = createRequire(import.meta.url);

/**
 * The path of a tool's binary in the npm package of this platform. It is there after `npm ci` without install scripts.
 *
 * @throws ChainError `BINARY_MISSING`
 */
export function foundryBinary(tool: 'forge' | 'anvil'): string {
  const platform = process.platform;
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const name = `@foundry-rs/${tool}-${platform}-${architecture}`;
  const file = platform === 'win32' ? `${tool}.exe` : tool;
  try {
    const path = require.resolve(`${name}/bin/${file}`, {
      paths: [require.resolve(`@foundry-rs/${tool}/package.json`)],
    });
    accessSync(path, constants.X_OK);
    return path;
  } catch (cause) {
    throw new ChainError(
      'BINARY_MISSING',
      `Install ${name} (an optional dependency of @foundry-rs/${tool}) with npm ci, without --omit=optional.`,
      { tool, platform, architecture },
      { cause },
    );
  }
}
