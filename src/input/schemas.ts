/** JSON Schemas of all documents that commands read, by the name under which `zkmargin schema` prints them. */
import type { TSchema } from 'typebox';
import { MarginModelSchema } from '../margin/engine/model.ts';
import { DeploymentDocumentSchema } from './deployment.ts';
import { KeeperDocumentSchema } from './keeper.ts';
import { MarginDocumentSchema } from './margin.ts';
import { Pmrm2CaseSchema } from './pmrm2.ts';
import { PriceRow } from './price.ts';
import { ReturnsDocument } from './returns.ts';
import { SurfaceDocument } from './surface.ts';

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';

/** A schema as it is printed. */
export type DocumentSchema = TSchema & { readonly description: string };

/** A schema with its title, as it is printed. */
export function named(schema: TSchema, title: string, description: string): DocumentSchema {
  return { $schema: DRAFT, title, description, ...schema } as DocumentSchema;
}

/** Schemas by name. */
export const documentSchemas: Readonly<Record<string, DocumentSchema>> = {
  margin: named(MarginDocumentSchema, 'margin', 'market, portfolio and model, for `zkmargin margin`'),
  model: named(MarginModelSchema, 'model', 'a whole margin model, for the key `model` of a margin document'),
  pmrm2: named(Pmrm2CaseSchema, 'pmrm2', "one case in the format of Derive's PMRM2 test portfolios"),
  price: named(PriceRow, 'price', 'one option, for `zkmargin price`; documents are rows or lists of rows'),
  surface: named(SurfaceDocument, 'surface', 'quotes of a surface, for `zkmargin surface`'),
  deployment: named(DeploymentDocumentSchema, 'deployment', 'contracts to deploy, for `zkmargin deploy`'),
  keeper: named(KeeperDocumentSchema, 'keeper', 'how a keeper works, for `zkmargin keeper`'),
  returns: named(ReturnsDocument, 'returns', 'history of prices or returns, for tail risk'),
};
