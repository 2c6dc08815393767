/** `/v1/circuits` and `/v1/verify`. */
import type { Groth16VerificationKey } from 'snarkjs';
import { ZkMarginError } from '../../errors.ts';
import { ProofError } from '../../proof/errors.ts';
import { fromCalldata, type ProofCalldata } from '../../proof/prover/backend.ts';
import { verifyProof } from '../../proof/prover/verify.ts';
import { CircuitsSchema, VerifyAnswerSchema, VerifyRequestSchema } from '../schemas.ts';
import { PROBLEMS, type Routes } from './shared.ts';

/** A circuit that is served. */
export interface ServedCircuit {
  /** As in `insolvency-8`. */
  readonly name: string;
  readonly verificationKey: Groth16VerificationKey;
  /** Names of its public signals in order, as the manifest has them. */
  readonly publicSignals?: readonly string[] | undefined;
  /** Of the key: development keys are for local chains alone. */
  readonly provenance?: string | undefined;
}

/** Adds the routes. */
export function circuitRoutes(
  routes: Routes,
  circuits: readonly ServedCircuit[],
  keyDigests: ReadonlyMap<string, string>,
): void {
  routes.get(
    '/v1/circuits',
    {
      schema: {
        summary: 'Circuits that are served, with their keys',
        response: { 200: CircuitsSchema, ...PROBLEMS },
      },
    },
    async () => ({
      circuits: circuits.map(({ name, verificationKey, publicSignals = [], provenance }) => {
        const [statement = '', legs] = name.split('-');
        return {
          name,
          statement,
          legs: Number(legs),
          publicSignals: [...publicSignals],
          keyDigest: keyDigests.get(name)!,
          ...(provenance !== undefined && { provenance }),
          verificationKey: { ...verificationKey },
        };
      }),
    }),
  );

  routes.post(
    '/v1/verify',
    {
      schema: {
        summary: 'Whether a proof verifies under the key of a circuit',
        body: VerifyRequestSchema,
        response: { 200: VerifyAnswerSchema, ...PROBLEMS },
      },
    },
    async (request) => {
      const { circuit, publicSignals, calldata } = request.body;
      const key = circuits.find(({ name }) => name === circuit)?.verificationKey;
      if (key === undefined) {
        const names = circuits.map(({ name }) => name).join(', ');
        throw new ZkMarginError('UNSUPPORTED', `Use a circuit that is served: ${names}.`, {
          field: 'circuit',
        });
      }
      try {
        const valid = await verifyProof(key, publicSignals, fromCalldata(calldata as ProofCalldata));
        return { valid, circuit, keyDigest: keyDigests.get(circuit)! };
      } catch (error) {
        throw error instanceof ProofError ? signalError(error, key) : error;
      }
    },
  );
}

function signalError(error: ProofError, key: Groth16VerificationKey): ZkMarginError {
  if (error.code === 'KEY_MISMATCH') {
    return new ZkMarginError('MALFORMED', `Give the ${key.nPublic} public signals of the circuit.`, {
      field: 'publicSignals',
    });
  }
  if (error.code === 'PUBLIC_SIGNAL_OUT_OF_RANGE') {
    return new ZkMarginError('OUT_OF_RANGE', "Keep public signals below the order of the circuits' field.", {
      field: `publicSignals[${error.details.index}]`,
    });
  }
  return error.toZkMarginError();
}
