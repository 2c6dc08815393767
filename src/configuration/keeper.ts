/** Settings of `zkmargin keeper`: the fields of its document, which may come from flags and variables as well, and its keys. */
import { type TObject, type TSchema, Type } from 'typebox';
import { KeeperDocumentSchema } from '../input/keeper.ts';
import { type Configuration, type Setting, type Settings, setting, type Values } from './setting.ts';

const text = (description: string) => Type.String({ minLength: 1, maxLength: 4_096, description });

/** What is not part of the document. */
const keySettings = {
  key: setting(text('private key, as 64 hexadecimal digits'), { secret: 'text', inFile: false }),
  keyFile: setting(text('file with the private key, readable by its owner alone'), {
    flag: '<file>',
    inFile: false,
  }),
  keystore: setting(text('Ethereum keystore, version 3'), { flag: '<file>', inFile: false }),
  keystorePassword: setting(text('password of the keystore'), { secret: 'text', inFile: false }),
  keystorePasswordFile: setting(text('file with the password of the keystore, readable by its owner alone'), {
    flag: '<file>',
    inFile: false,
  }),
  apiKey: setting(text('API key of the service'), {
    variable: 'ZKMARGIN_API_KEY',
    secret: 'text',
    fromFile: true,
    inFile: false,
  }),
} as const;

/** URLs that may hold keys in their paths, or a name and a password. */
const SECRET_URLS = ['service', 'rpc', 'relay'];

/** Every field of the document is a setting: a new field needs no other declaration. */
function documentSettings({ properties, required }: TObject): Settings {
  const needed: readonly string[] = required ?? [];
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [
      name,
      {
        schema,
        ...('default' in schema && { default: schema.default as never }),
        ...(needed.includes(name) && { required: true as const }),
        ...(SECRET_URLS.includes(name) && { secret: 'url' as const, fromFile: true as const }),
        ...placesOf(schema),
      } satisfies Setting,
    ]),
  );
}

/** Fields with fields of their own stand in a file alone. */
function placesOf(schema: TSchema): Pick<Setting, 'flag' | 'variable'> {
  const { type, pattern } = schema as { type?: string; pattern?: string };
  if (type === 'object') return { variable: false };
  if (type === 'boolean') return { flag: '' };
  if (type === 'integer' || type === 'number') return { flag: '<number>' };
  if (type === 'array') return { flag: '<list>' };
  return { flag: pattern?.startsWith('^https?') ? '<url>' : '<value>' };
}

const settings = { ...documentSettings(KeeperDocumentSchema), ...keySettings };

/** Settings of `zkmargin keeper`. */
export const keeperConfiguration: Configuration<Settings & typeof keySettings> = {
  command: 'keeper',
  prefix: 'ZKMARGIN_KEEPER',
  settings,
};

/** Names of the settings that are no part of the document. */
export const KEEPER_KEY_SETTINGS = Object.keys(keySettings) as (keyof typeof keySettings)[];

/** Values of the settings that are no part of the document. */
export type KeeperKeySettings = Values<typeof keySettings>;
