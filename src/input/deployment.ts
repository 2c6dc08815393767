/** The document that says what `zkmargin deploy` is to deploy. */
import { type Static, Type } from 'typebox';

const address = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$', description: 'address' });
const amount = Type.String({ pattern: '^(0|[1-9][0-9]{0,28})$', description: 'decimal digits, 1e-6 units' });
const symbol = Type.String({ pattern: '^[A-Z0-9]{1,4}$', description: 'symbol of an underlying' });
const seconds = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });
const basisPoints = Type.Integer({ minimum: 0, maximum: 65_535 });
const haircut = (description: string) => Type.Integer({ minimum: 0, maximum: 10_000, description });
const closed = { additionalProperties: false };

const OracleConfigurationSchema = Type.Object(
  {
    minSources: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
    maxReportAge: Type.Optional(seconds),
    maxRoundAge: Type.Optional(seconds),
    outlierMultipleTenths: Type.Optional(basisPoints),
    outlierFloorBps: Type.Optional(basisPoints),
    outlierCapBps: Type.Optional(basisPoints),
    spotMoveBps: Type.Optional(basisPoints),
    volatilityMoveBps: Type.Optional(basisPoints),
    windDownDelay: Type.Optional(seconds),
    minInterval: Type.Optional(basisPoints),
  },
  closed,
);

/** What is to be deployed; addresses are 20 bytes in hexadecimal, amounts decimal strings in 1e-6 units. */
export const DeploymentDocumentSchema = Type.Object(
  {
    asset: Type.Optional(address),
    parameterDelaySeconds: seconds,
    underlyings: Type.Array(
      Type.Object(
        {
          symbol,
          sources: Type.Array(address, { minItems: 1, maxItems: 16 }),
          configuration: Type.Optional(OracleConfigurationSchema),
        },
        closed,
      ),
      { maxItems: 64 },
    ),
    collateral: Type.Optional(
      Type.Array(
        Type.Object(
          {
            token: address,
            symbol,
            haircutBps: haircut(
              'part of the value that does not count in accounts of that underlying, basis points',
            ),
            crossHaircutBps: haircut(
              'the same in accounts of other underlyings, basis points, at least haircutBps: their proofs do not know what a fall of the price does ' +
                'to the collateral',
            ),
            cap: amount,
          },
          closed,
        ),
        { maxItems: 8 },
      ),
    ),
    fundCap: Type.Optional(amount),
    custodians: Type.Optional(Type.Array(address, { maxItems: 64 })),
    fees: Type.Optional(
      Type.Object({ flat: amount, cashBps: Type.Integer({ minimum: 0, maximum: 100 }) }, closed),
    ),
    sealedBids: Type.Optional(Type.Object({ minimumStake: amount, bond: amount }, closed)),
    governance: Type.Optional(
      Type.Object({ governors: Type.Array(address, { minItems: 1 }), delaySeconds: seconds }, closed),
    ),
    verifiers: Type.Optional(Type.Record(Type.String(), Type.String())),
    batchVerifiers: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  closed,
);

/** A checked document. */
export type DeploymentDocument = Static<typeof DeploymentDocumentSchema>;
