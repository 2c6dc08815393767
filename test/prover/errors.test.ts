import { describe, expect, it } from 'vitest';
import { ERROR_CODES, errorFromData, isZkMarginError } from '../../src/errors.ts';
import { deserializeError, ProofError, type ProofErrorCode, serializeError } from '../../src/proof/errors.ts';
import { stepOfLog } from '../../src/proof/prover/snarkjs-backend.ts';

describe('ProofError', () => {
  it.each([
    ['INPUT_INVALID', 'WITNESS_FAILED'],
    ['PUBLIC_SIGNAL_OUT_OF_RANGE', 'OUT_OF_RANGE'],
    ['BACKEND_UNAVAILABLE', 'UNSUPPORTED'],
    ['BACKEND_FAILED', 'PROOF_FAILED'],
    ['BACKEND_OUTPUT_INVALID', 'PROOF_FAILED'],
    ['POOL_UNAVAILABLE', 'BUSY'],
    ['TIMEOUT', 'TIMEOUT'],
  ] as const)('%s belongs to %s of the public family', (code, family) => {
    const error = new ProofError(code, 'words', { field: 'left', count: 3 });
    expect(error.family).toBe(family);
    expect(ERROR_CODES).toContain(family);
    const outer = error.toZkMarginError();
    expect(isZkMarginError(outer, family)).toBe(true);
    expect(outer).toMatchObject({
      message: 'words',
      field: 'left',
      details: { reason: code, count: 3 },
      cause: error,
    });
    // The public form survives being sent, with the reason.
    expect(errorFromData(JSON.parse(JSON.stringify(outer)))).toMatchObject({
      code: family,
      details: { reason: code },
    });
  });

  it('crosses a process boundary, and a stranger does not get a code by it', () => {
    const error = new ProofError('TIMEOUT', 'late', { timeoutMs: 5 });
    expect(deserializeError(structuredClone(serializeError(error)))).toMatchObject({
      code: 'TIMEOUT',
      message: 'late',
      details: { timeoutMs: 5 },
    });
    expect(serializeError(new Error('x'))).toEqual({ code: 'INTERNAL', message: 'x', details: {} });
    for (const code of ['NO_SUCH_CODE', 'toString', '__proto__']) {
      const found = deserializeError({ code: code as ProofErrorCode, message: 'x', details: {} });
      expect(found.code).toBe('INTERNAL');
    }
  });
});

describe('stepOfLog', () => {
  it.each([
    ['Building ABC', 'constraints'],
    ['QAP C: 0/32768', 'constraints'],
    ['IFFT_A: fft 15 mix start: 0/2', 'transforms'],
    ['FFT_C: fft 15 join  15/15  1/1 0/1', 'transforms'],
    ['JoinABC: 0/32768', 'transforms'],
    ['Reading A Points', 'points'],
    ['Multiexp start: multiexp B2: 0/17054', 'points'],
    ['Multiexp end: multiexp H: 0/32768', 'quotient'],
    ['Reading Wtns', undefined],
    ['', undefined],
  ])('reads %j', (line, step) => {
    expect(stepOfLog(line)).toBe(step);
  });
});
