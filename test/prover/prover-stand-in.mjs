#!/usr/bin/env node
// A stand-in for the rapidsnark binary, for tests: the same command line, `prover zkey witness proof.json public.json`, and
// the same output files, made by snarkjs. What it cannot show is rapidsnark itself: its speed, and its own faults.
//
// Its file name says how it fails, because a test may choose no arguments and no environment: `prover-exit`, `prover-hang`,
// `prover-garbage`, ... are links to this file.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const mode = basename(process.argv[1])
  .replace(/\.mjs$/, '')
  .replace(/^prover-/, '');
const [zkey, witness, proofPath, publicPath] = process.argv.slice(2);
// Where a test finds what the run was given; beside the link, since the run's own directory is removed.
const note = join(dirname(process.argv[1]), `${mode}.note.json`);
const write = (proof, publicSignals) => {
  writeFileSync(proofPath, proof);
  writeFileSync(publicPath, publicSignals);
};

if (process.argv.length !== 6) {
  console.error('usage: prover <zkey> <witness> <proof> <public>');
  process.exit(2);
}
switch (mode) {
  case 'exit':
    console.error('Invalid witness length');
    process.exit(1);
    break;
  case 'signal':
    process.kill(process.pid, 'SIGSEGV');
    setInterval(() => {}, 1000);
    break;
  case 'hang': {
    // A process of its own below, as a wrapper script has: it must end too.
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    writeFileSync(note, JSON.stringify({ pid: process.pid, child: child.pid, witness }));
    setInterval(() => {}, 1000);
    break;
  }
  case 'garbage':
    write('{"pi_a": [', '["1"]');
    break;
  case 'no-proof':
    write('{"pi_a": ["1", "2", "1"], "protocol": "groth16"}', '["1"]');
    break;
  case 'no-signals':
    writeFileSync(proofPath, readFileSync(join(dirname(process.argv[1]), 'proof.json')));
    writeFileSync(publicPath, '{"0": "15"}');
    break;
  case 'huge':
    write('x'.repeat(2 ** 21), '[]');
    break;
  case 'directory':
    writeFileSync(publicPath, '["1"]');
    mkdirSync(proofPath);
    break;
  case 'pipe':
    writeFileSync(publicPath, '["1"]');
    execFileSync('mkfifo', [proofPath]);
    break;
  case 'link':
    writeFileSync(publicPath, '["1"]');
    symlinkSync('/dev/zero', proofPath);
    break;
  case 'silent':
    break;
  case 'replay': {
    // A valid proof, of other inputs than the witness's.
    const folder = dirname(process.argv[1]);
    write(readFileSync(join(folder, 'proof.json')), readFileSync(join(folder, 'public.json')));
    break;
  }
  case 'mislabel': {
    // A valid proof of other inputs under the public signals of this witness.
    const folder = dirname(process.argv[1]);
    write(readFileSync(join(folder, 'proof.json')), readFileSync(join(folder, 'expected.json')));
    break;
  }
  default: {
    const { groth16 } = await import('snarkjs');
    const { proof, publicSignals } = await groth16.prove(zkey, witness);
    // Older versions of rapidsnark leave the curve out.
    const { curve: _, ...rest } = proof;
    write(JSON.stringify(rest), JSON.stringify(publicSignals));
    if (existsSync(join(dirname(process.argv[1]), 'keep-note'))) {
      writeFileSync(note, JSON.stringify({ environment: Object.keys(process.env), witness }));
    }
    process.exit(0);
  }
}
