/** `zkmargin schema`: JSON Schemas of the documents that commands read. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import { printJson, writeLine } from './io.ts';

const HELP = `
Examples:
  $ zkmargin schema                     (the names)
  $ zkmargin schema deployment > deployment.schema.json`;

/** Adds the command to a program. */
export function registerSchema(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of an input document or a configuration file')
    .argument('[name]', 'name of the document; lists the names when absent')
    .option('--json', 'list the names as JSON; a schema is JSON always')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: { json?: boolean }) => {
      const [
        { documentSchemas: documents, named },
        { fileSchemaOf, proverConfiguration, serveConfiguration },
      ] = await Promise.all([import('../input/schemas.ts'), import('../configuration/index.ts')]);
      const files = [serveConfiguration, proverConfiguration].map((configuration) => {
        const { command } = configuration;
        const description = `configuration file of \`zkmargin ${command}\``;
        return [command, named(fileSchemaOf(configuration), command, description)] as const;
      });
      const documentSchemas = { ...documents, ...Object.fromEntries(files) };
      if (name === undefined && options.json) {
        printJson(
          Object.entries(documentSchemas).map(([known, { description }]) => ({ name: known, description })),
        );
        return;
      }
      if (name === undefined) {
        for (const [known, schema] of Object.entries(documentSchemas)) {
          writeLine(`${known.padEnd(16)} ${schema.description}`);
        }
        return;
      }
      if (!Object.hasOwn(documentSchemas, name)) {
        throw new ZkMarginError('NOT_FOUND', `Use one of ${Object.keys(documentSchemas).join(', ')}.`, {
          field: 'name',
        });
      }
      printJson(documentSchemas[name]!);
    });
}
