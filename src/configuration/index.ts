/** Settings of the commands that keep running. */
import { keeperConfiguration } from './keeper.ts';
import { proverConfiguration, serveConfiguration } from './service.ts';
import type { Configuration } from './setting.ts';

export { KEEPER_KEY_SETTINGS, type KeeperKeySettings, keeperConfiguration } from './keeper.ts';
export { loadSettings } from './load.ts';
export { settingsReport, settingsTable } from './report.ts';
export { nearestName, originText, type Resolved, resolveSettings } from './resolve.ts';
export {
  type ProverSettings,
  proverConfiguration,
  type ServeSettings,
  serveConfiguration,
} from './service.ts';
export {
  type Configuration,
  fileSchemaOf,
  fileVariableOf,
  flagOf,
  type Settings,
  variableOf,
  variablesOf,
} from './setting.ts';

/** All configurations. */
export const CONFIGURATIONS: readonly Configuration[] = [
  serveConfiguration,
  proverConfiguration,
  keeperConfiguration,
];
