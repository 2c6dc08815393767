/** Writes docs/configuration.md from the settings' declarations. Usage: npm run docs:configuration */
import { writeFileSync } from 'node:fs';
import { configurationDocument } from '../src/configuration/document.ts';
import { strategyDefaults } from '../src/keeper/configuration.ts';

const path = new URL('../docs/configuration.md', import.meta.url);
writeFileSync(path, configurationDocument({ strategy: strategyDefaults() }));
