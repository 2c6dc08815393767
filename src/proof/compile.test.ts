import { readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CircuitTester } from './circuit-tester.ts';
import { collectSources, compileCircuit, compileFile, compileText, sourceOfText } from './compile.ts';
import { projectRoot, writeFileAtomic } from './files.ts';
import { WitnessCalculator } from './prover/witness-calculator.ts';
import { parseR1cs, parseSymbols, publicSignalNames } from './r1cs.ts';
import { toyCircuit, toyInput } from './testing.ts';

describe('compileFile', () => {
  it('compiles once and names every output', async () => {
    const first = await compileFile(toyCircuit);
    const stages: string[] = [];
    const second = await compileFile(toyCircuit, { onProgress: (p) => stages.push(p.stage) });
    expect(second).toMatchObject({
      cached: true,
      compileMs: 0,
      sourceHash: first.sourceHash,
      r1csHash: first.r1csHash,
    });
    expect(stages).toEqual(['hashing', 'done']);
    const r1cs = parseR1cs(await readFile(first.r1csPath));
    const symbols = parseSymbols(await readFile(first.symPath, 'utf8'));
    expect(r1cs).toMatchObject({ outputs: 1, publicInputs: 2, privateInputs: 2 });
    expect(publicSignalNames(r1cs, symbols)).toEqual(['digest', 'product', 'context']);
  });

  it('compiles again what is missing or was damaged', async () => {
    const name = `damaged-${process.pid}`;
    const text =
      'pragma circom 2.2.0;\ntemplate A() { signal input a; signal output b; b <== a * a; }\ncomponent main = A();\n';
    const first = await compileText(name, text);
    const { directory, r1csPath, wasmPath, symPath, r1csHash } = first;
    try {
      for (const path of [r1csPath, wasmPath, symPath]) {
        const whole = await readFile(path);
        for (const damage of [() => rm(path), () => truncate(path, Math.floor(whole.length / 2))]) {
          await damage();
          expect(await compileText(name, text), path).toMatchObject({ cached: false, r1csHash });
          expect(Buffer.compare(await readFile(path), whole)).toBe(0);
        }
      }
      expect(await compileText(name, text)).toMatchObject({ cached: true, r1csHash });
      // A result of an earlier version has no hashes: it is looked at once, and kept.
      await rm(join(directory, 'hashes.json'));
      expect(await compileText(name, text)).toMatchObject({ cached: true });
      await rm(join(directory, 'hashes.json'));
      await truncate(r1csPath, 100);
      expect(await compileText(name, text)).toMatchObject({ cached: false, r1csHash });
    } finally {
      await rm(join(directory, '..'), { recursive: true, force: true });
    }
  });

  it('reaches every include', async () => {
    const files = [...(await collectSources(toyCircuit)).keys()].map((path) => path.replace(/^.*\//, ''));
    expect(files).toEqual(
      expect.arrayContaining(['toy-multiplier.circom', 'poseidon.circom', 'poseidon_constants.circom']),
    );
  });

  it('notices a change of whatever the compiler includes, wherever that stands', async () => {
    const body = (value: string) =>
      `pragma circom 2.2.0;\ntemplate A() { signal input a; signal output b; b <== ${value}; }\n`;
    for (const [index, head] of [
      'pragma circom 2.2.0; include "hidden.circom";',
      'pragma circom 2.2.0;\n// as /* in the manual\ninclude "hidden.circom";\n// and */ there',
      'pragma circom 2.2.0;\ninclude // here\n"hidden.circom";',
    ].entries()) {
      const source = join(projectRoot, sourceOfText(`hiding-${process.pid}-${index}`, head));
      const hidden = join(source, '../hidden.circom');
      const compile = async (value: string) => {
        await writeFileAtomic(hidden, body(value));
        return compileFile(source, { outputRoot: 'build/test-circuits' });
      };
      await writeFileAtomic(source, `${head}\ncomponent main = A();\n`);
      const first = await compile('a * a');
      try {
        const second = await compile('a * a + 1');
        expect(second.sourceHash, head).not.toBe(first.sourceHash);
        expect(second.r1csHash, head).not.toBe(first.r1csHash);
        // Nor is looked for what only a comment or a text names.
        await writeFileAtomic(
          source,
          `${head}\n// include "none";\n/* include "none"; */\nfunction f() { log("include ", "none"); return 1; }\ncomponent main = A();\n`,
        );
        expect((await collectSources(source)).size, head).toBe(2);
      } finally {
        await rm(join(first.directory, '..'), { recursive: true, force: true });
        await rm(join(source, '..'), { recursive: true, force: true });
      }
    }
  });

  it('carries the text of the compiler', async () => {
    const text =
      'pragma circom 2.2.0;\ntemplate A() { signal input a; missing <== a; }\ncomponent main = A();\n';
    await expect(compileText('broken', text)).rejects.toMatchObject({
      code: 'CIRCUIT_COMPILE_FAILED',
      message: expect.stringContaining('unknown symbol'),
    });
  });

  it('names what is missing', async () => {
    await expect(compileCircuit('no-such-circuit')).rejects.toMatchObject({ code: 'CIRCUIT_NOT_FOUND' });
    await expect(compileCircuit('../escape me')).rejects.toMatchObject({ code: 'CIRCUIT_NOT_FOUND' });
    const text = 'pragma circom 2.2.0;\ninclude "nowhere.circom";\n';
    await expect(compileText('lost', text)).rejects.toMatchObject({
      code: 'CIRCUIT_NOT_FOUND',
      details: { include: 'nowhere.circom' },
    });
  });

  it('can be cancelled', async () => {
    const text = `pragma circom 2.2.0; // ${Math.random()}\ntemplate A() { signal input a; a === 1; }\ncomponent main = A();`;
    await expect(compileText('stopped', text, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('witnesses', () => {
  it('satisfy the constraints, and no longer once a signal is changed', async () => {
    const tester = await CircuitTester.fromFile(toyCircuit);
    expect(tester.constraints).toBe(306);
    const witness = await tester.witness(toyInput());
    expect(tester.signal(witness, 'product')).toBe(15n);
    expect(tester.violated(witness)).toEqual([]);
    for (const name of ['digest', 'product', 'context', 'main.left', 'main.right']) {
      const mutated = tester.mutate(witness, { [name]: tester.signal(witness, name) + 1n });
      expect(tester.violated(mutated), name).not.toEqual([]);
    }
    expect(() => tester.wire('nothing')).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  it('refuse inputs with typed errors that name the field, and go on working', async () => {
    const circuit = await compileFile(toyCircuit);
    const calculator = await WitnessCalculator.create(await readFile(circuit.wasmPath));
    const attempt = (change: Record<string, unknown>) =>
      calculator.calculate({ ...toyInput(), ...change } as Parameters<WitnessCalculator['calculate']>[0]);
    const r = '21888242871839275222246405745257275088548364400416034343698204186575808495617';
    for (const bad of [r, '-1', '0x10', '', '01', '1.5', 'NaN', 5, null, {}]) {
      await expect(attempt({ left: bad }), String(bad)).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        details: { field: 'left' },
      });
    }
    await expect(attempt({ left: ['1', '2'] })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(attempt({ other: '1' })).rejects.toMatchObject({ details: { field: 'other' } });
    const { context: _, ...missing } = toyInput();
    await expect(calculator.calculate(missing)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(attempt({ product: '16' })).rejects.toMatchObject({ code: 'WITNESS_REJECTED' });
    await expect(attempt({ left: '4294967296', right: '1', product: '4294967296' })).rejects.toMatchObject({
      code: 'WITNESS_REJECTED',
    });
    await expect(calculator.calculate(toyInput(2n, 9n))).resolves.toBeInstanceOf(Uint8Array);
  });
});
