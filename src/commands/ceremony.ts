/** `zkmargin ceremony`: the multi-party ceremony that makes a circuit's key. */
import type { Command } from 'commander';
import { ZkMarginError } from '../errors.ts';
import type { CeremonyProgress } from '../proof/ceremony/snarkjs.ts';
import type { CeremonyCheck, CeremonyReport, CeremonyState } from '../proof/ceremony/verify.ts';
import { printJson, writeLine } from './io.ts';

/** Longest text of a contributor's own, in bytes. */
const MAX_ENTROPY_BYTES = 64 * 1024;

const HELP = `
A key is safe when at least one contributor was honest and forgot their secret. docs/ceremony.md tells who does what.

Example:
  $ zkmargin ceremony init --circuit insolvency-8 --ptau powersOfTau28_hez_final_15.ptau --dir ceremony
  $ zkmargin ceremony contribute --dir ceremony --name Alice        (then Bob, on another machine, and so on)
  $ zkmargin ceremony beacon --dir ceremony --hash 5f1c... --iterations 10 --source "drand quicknet, round 1234567"
  $ zkmargin ceremony verify --dir ceremony
  $ zkmargin ceremony finalize --dir ceremony`;

interface Output {
  json?: boolean;
}

/** Adds the commands to a program. */
export function registerCeremony(program: Command): void {
  const ceremony = program
    .command('ceremony')
    .description('make a proving key together, so that nobody knows its secrets')
    .addHelpText('after', HELP);

  ceremony
    .command('init')
    .description('begin: compile the circuit, check the powers of tau, make the initial key')
    .requiredOption(
      '--circuit <name>',
      'a circuit of circuits/main, or the path of a .circom file below the project',
    )
    .requiredOption('--ptau <file>', 'powers of tau of the public ceremony, prepared for phase 2')
    .requiredOption('--dir <directory>', 'where the ceremony is kept; made when absent')
    .option('--beacon-plan <text>', 'which public value will be the beacon, announced before it is known')
    .option('--allow-unlisted-ptau', 'accept other powers of tau: a test ceremony, for local chains alone')
    .option('--allow-other-circuit', 'accept a circuit outside circuits/main: a test ceremony as well')
    .option('--json', 'print the transcript as JSON')
    .action(
      async (
        options: Output & {
          circuit: string;
          ptau: string;
          dir: string;
          beaconPlan?: string;
          allowUnlistedPtau?: boolean;
          allowOtherCircuit?: boolean;
        },
      ) => {
        const { compileFile } = await import('../proof/compile.ts');
        const { withFileErrors } = await import('../proof/ceremony/files.ts');
        const { initCeremony } = await import('../proof/ceremony/steps.ts');
        const onProgress = progress(options);
        const source = options.circuit.endsWith('.circom')
          ? options.circuit
          : `circuits/main/${options.circuit}.circom`;
        const circuit = await withFileErrors({ path: 'build', field: 'circuit' }, () => compileFile(source));
        const transcript = await initCeremony({
          circuit,
          source,
          ptauPath: options.ptau,
          directory: options.dir,
          allowUnlistedPtau: options.allowUnlistedPtau ?? false,
          allowOtherCircuit: options.allowOtherCircuit ?? false,
          ...(options.beaconPlan !== undefined && { beaconPlan: options.beaconPlan }),
          onProgress,
        });
        if (transcript.provenance !== 'ceremony') warnOfTestCeremony();
        if (options.json) {
          printJson(transcript);
          return;
        }
        writeLine(`${transcript.provenance} of ${transcript.circuit} begun in ${options.dir}`);
        writeLine(`  constraint system  ${transcript.r1csHash}`);
        writeLine(`  powers of tau      ${transcript.ptau.file}, power ${transcript.ptau.power}`);
        writeLine(`  initial key        ${transcript.initial.file}`);
        writeLine('Next: publish the directory, and let contributors take turns.');
      },
    );

  ceremony
    .command('contribute')
    .description('add a contribution: a secret that nobody keeps')
    .requiredOption('--dir <directory>', 'the ceremony')
    .requiredOption('--name <who>', 'name in the transcript')
    .option('--entropy <source>', '- to add a text of your own, read from standard input without echo')
    .option('--json', 'print the transcript entry as JSON')
    .action(async (options: Output & { dir: string; name: string; entropy?: string }) => {
      if (options.entropy !== undefined && options.entropy !== '-') {
        // A text on the command line stays in the shell's history and in the list of processes.
        throw new ZkMarginError('MALFORMED', 'Give --entropy - and the text on standard input.', {
          field: 'entropy',
        });
      }
      const { contribute } = await import('../proof/ceremony/steps.ts');
      const entropy = options.entropy === undefined ? undefined : await readSecretText();
      const entry = await contribute({
        directory: options.dir,
        name: options.name,
        ...(entropy !== undefined && { entropy }),
        onProgress: progress(options),
      });
      if (options.json) {
        printJson(entry);
        return;
      }
      writeLine(`${entry.file}: contribution of ${entry.name}. Announce its hash where others can see it:`);
      writeLine(hashLines(entry.hash));
    });

  ceremony
    .command('beacon')
    .description('close with a public random value that nobody knew before the last contribution')
    .requiredOption('--dir <directory>', 'the ceremony')
    .requiredOption('--hash <hex>', 'the value, at least 32 bytes')
    .requiredOption('--iterations <exponent>', 'the value is hashed 2^this times; 10 to 30')
    .option('--source <text>', 'where the value was published')
    .option('--json', 'print the transcript entry as JSON')
    .action(async (options: Output & { dir: string; hash: string; iterations: string; source?: string }) => {
      const { applyBeacon } = await import('../proof/ceremony/steps.ts');
      const entry = await applyBeacon({
        directory: options.dir,
        hash: options.hash,
        iterationsExponent: /^\d{1,3}$/.test(options.iterations) ? Number(options.iterations) : Number.NaN,
        ...(options.source !== undefined && { source: options.source }),
        onProgress: progress(options),
      });
      if (options.json) {
        printJson(entry);
        return;
      }
      writeLine(`${entry.file}: the ceremony is closed. Hash of the beacon's step:`);
      writeLine(hashLines(entry.hash));
    });

  ceremony
    .command('verify')
    .description("verify a ceremony's directory, or one final key")
    .option('--dir <directory>', 'the ceremony')
    .option('--zkey <file>', 'a final key, with --r1cs and --ptau')
    .option('--r1cs <file>', 'the constraint system')
    .option('--ptau <file>', 'the powers of tau; with --dir, those in the directory unless given')
    .option('--allow-unlisted-ptau', 'with --zkey: accept powers of tau that are no public file')
    .option('--allow-other-circuit', 'with --zkey: accept a circuit that the manifest does not have')
    .option('--json', 'print the report as JSON')
    .action(
      async (
        options: Output & {
          dir?: string;
          zkey?: string;
          r1cs?: string;
          ptau?: string;
          allowUnlistedPtau?: boolean;
          allowOtherCircuit?: boolean;
        },
      ) => {
        const { verifyCeremony, verifyKeyFile } = await import('../proof/ceremony/verify.ts');
        const { dir, zkey, r1cs, ptau } = options;
        const common = {
          onProgress: progress(options),
          ...(options.json ? {} : { onCheck: writeCheck }),
        };
        let report: CeremonyReport;
        if (dir !== undefined && zkey === undefined && r1cs === undefined) {
          report = await verifyCeremony({
            directory: dir,
            ...(ptau !== undefined && { ptauPath: ptau }),
            ...common,
          });
        } else if (dir === undefined && zkey !== undefined && r1cs !== undefined && ptau !== undefined) {
          report = await verifyKeyFile({
            zkeyPath: zkey,
            r1csPath: r1cs,
            ptauPath: ptau,
            allowUnlistedPtau: options.allowUnlistedPtau ?? false,
            allowOtherCircuit: options.allowOtherCircuit ?? false,
            ...common,
          });
        } else {
          throw new ZkMarginError('MALFORMED', 'Give --dir, or --zkey with --r1cs and --ptau.');
        }
        process.exitCode = EXIT_CODES[report.state];
        if (options.json) {
          printJson(report);
          return;
        }
        writeSummary(report);
      },
    );

  ceremony
    .command('finalize')
    .description('verify, then write verification key, proving key, verifier contract and manifest entry')
    .requiredOption('--dir <directory>', 'the ceremony')
    .option('--ptau <file>', 'the powers of tau, when they are not in the directory')
    .option('--out <directory>', "where keys and manifest go; the project's proving-keys unless given")
    .option('--verifiers <directory>', 'where the contract goes; beside the verification key unless given')
    .option('--force', "replace another ceremony's key, or another circuit of this name")
    .option('--json', 'print what was written as JSON')
    .action(
      async (
        options: Output & { dir: string; ptau?: string; out?: string; verifiers?: string; force?: boolean },
      ) => {
        const { finalizeCeremony } = await import('../proof/ceremony/finalize.ts');
        const { report, ...written } = await finalizeCeremony({
          directory: options.dir,
          ...(options.ptau !== undefined && { ptauPath: options.ptau }),
          ...(options.out !== undefined && { out: options.out }),
          ...(options.verifiers !== undefined && { verifiers: options.verifiers }),
          force: options.force ?? false,
          onProgress: progress(options),
          ...(options.json ? {} : { onCheck: writeCheck }),
        });
        if (options.json) {
          const { source, sourceHash, constraints, checks } = report;
          printJson({ ...written, source, sourceHash, constraints, checks });
          return;
        }
        writeSummary(report);
        const { verificationKeyPath, zkeyPath, verifierPath, batchVerifierPath } = written;
        for (const path of [verificationKeyPath, zkeyPath, verifierPath, batchVerifierPath]) {
          if (path !== undefined) writeLine(`wrote ${path}`);
        }
      },
    );
}

/** Of `verify`. A key of an open ceremony is not for use, however well it is in order. */
const EXIT_CODES: Readonly<Record<CeremonyState, number>> = { final: 0, refused: 1, open: 2, empty: 2 };

const MARKS = { passed: '✓', failed: '✗', waived: '!', pending: '…', 'not run': '–' } as const;

function writeCheck({ outcome, text, detail }: CeremonyCheck): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
  writeLine(`${MARKS[outcome]} ${text}${detail === undefined ? '' : `: ${plain(detail)}`}`);
}

function writeSummary(report: CeremonyReport): void {
  for (const { name, type, hash, beacon } of report.contributions) {
    const title = type === 'beacon' ? `beacon ${beacon?.hash}` : plain(name);
    writeLine(`\n${title}\n${hashLines(hash)}`);
  }
  writeLine('');
  const { circuit, source, sourceHash, r1csHash, constraints, keyFile, state } = report;
  const facts = { circuit, source, 'source hash': sourceHash, 'constraint system': r1csHash, constraints };
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) writeLine(`${name.padEnd(18)} ${plain(String(value))}`);
  }
  if (state === 'refused') writeLine(`${keyFile} is refused: do not use it.`);
  else if (state === 'empty') {
    writeLine(`${keyFile} has no contribution yet: never use this key. The ceremony may begin with it.`);
  } else if (state === 'open') writeLine(`${keyFile} is in order so far, and not final.`);
  else writeLine(`${keyFile} is a final key of a ${report.provenance}.`);
  if (report.provenance !== 'ceremony') warnOfTestCeremony();
}

function warnOfTestCeremony(): void {
  console.error(
    'WARNING: TEST CEREMONY. Its powers of tau are no file of the public ceremony, so that whoever made them can forge\n' +
      "proofs, or its circuit is none of this repository's.\n" +
      'Its keys are for local chains alone. Deployments elsewhere are refused.',
  );
}

/** A contribution hash as contributors compare it: four lines of four groups. */
function hashLines(hash: string): string {
  const groups = hash.match(/.{8}/g) ?? [];
  return [0, 4, 8, 12].map((from) => `  ${groups.slice(from, from + 4).join(' ')}`).join('\n');
}

/** Text from a file that others made, without characters that command a terminal. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}

/** Lines of long steps on standard error; the many details on one line of a terminal, elsewhere not at all. */
function progress(options: Output): CeremonyProgress {
  const terminal = process.stderr.isTTY;
  return (line, level) => {
    if (options.json) return;
    const text = plain(line.replace(/\s+/g, ' ').trim());
    if (level === 'step') process.stderr.write(`${terminal ? '\r\u001b[2K' : ''}${text}\n`);
    else if (terminal) process.stderr.write(`\r\u001b[2K${text.slice(0, 100)}`);
  };
}

/**
 * A contributor's text from standard input. On a terminal it is one line, not shown while it is typed.
 *
 * @throws {ZkMarginError} `MALFORMED` for no text, `TOO_LARGE`, `CANCELLED` for Ctrl-C
 */
async function readSecretText(): Promise<string> {
  const { stdin } = process;
  const pieces: Buffer[] = [];
  let size = 0;
  const take = (piece: Buffer): void => {
    size += piece.length;
    if (size > MAX_ENTROPY_BYTES) {
      throw new ZkMarginError('TOO_LARGE', `Keep the text below ${MAX_ENTROPY_BYTES / 1024} KiB.`, {
        field: 'entropy',
      });
    }
    pieces.push(piece);
  };
  if (stdin.isTTY) {
    process.stderr.write('Type a text of your own, then Enter (it is not shown): ');
    stdin.setRawMode(true);
    try {
      for await (const piece of stdin as AsyncIterable<Buffer>) {
        if (piece.includes(0x03)) throw new ZkMarginError('CANCELLED', 'Nothing was contributed.');
        const end = piece.findIndex((byte) => byte === 0x0d || byte === 0x0a || byte === 0x04);
        take(end < 0 ? piece : piece.subarray(0, end));
        if (end >= 0) break;
      }
    } finally {
      stdin.setRawMode(false);
      process.stderr.write('\n');
    }
  } else {
    for await (const piece of stdin as AsyncIterable<Buffer>) take(Buffer.from(piece));
  }
  const text = Buffer.concat(pieces).toString('utf8');
  if (text.trim() === '') {
    throw new ZkMarginError(
      'MALFORMED',
      'Give a text, or leave --entropy out: the system has randomness of its own.',
      {
        field: 'entropy',
      },
    );
  }
  return text;
}
