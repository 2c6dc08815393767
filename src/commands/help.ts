/** What the help of all commands has in common: groups, marks of what is required, and exit codes. */
import { type Command, Help } from 'commander';

/** Groups of commands, as the help of the program lists them. */
export const GROUPS = {
  documents: 'Documents in, results out:',
  running: 'Service and keeper:',
  store: 'Store of the service:',
  protocol: 'Circuits, keys and contracts:',
} as const;

const PROGRAM = `
Begin with an example, or with all of it on a local chain:
  $ zkmargin margin examples/margin-btc-eth.json
  $ zkmargin dev

zkmargin COMMAND --help has examples, units and exit codes. docs/command-line.md tells of output, errors and exit codes, docs/configuration.md
of all settings.`;

const COMMON = `
Exit codes: 0 done; 1 refused, failed, or called wrongly.`;

const UNTIL_SIGNAL = `
Exit codes: 0 ended by SIGTERM or SIGINT (Ctrl-C), or settings printed; 1 it could not start, was ended by a second signal,
or did not close in time.`;

const UNTIL_INTERRUPTED = `
Exit codes: 0 ended by --exit, SIGTERM or SIGINT (Ctrl-C); 1 refused or failed.`;

const VERIFY = `
Exit codes: 0 a final key; 1 refused: a check failed, or the files could not be looked at; 2 in order so far, and not for use:
the ceremony is open.`;

/** Exit codes of commands with others than {@link COMMON}, by what is typed. */
const OTHERS: Readonly<Record<string, string>> = {
  serve: UNTIL_SIGNAL,
  prover: UNTIL_SIGNAL,
  keeper: UNTIL_SIGNAL,
  dev: UNTIL_INTERRUPTED,
  'ceremony verify': VERIFY,
};

const ERRORS = `
Errors are told on standard error, as CODE (field): message.`;
const ERRORS_AS_JSON = `
Errors are told on standard error, as CODE (field): message; with --json as one line of JSON: {"code", "message", "field"?,
"details"?}.`;

/** Gives a program, and the commands that are added to it, the help that they have in common. */
export function addCommonHelp(program: Command): void {
  const plain = new Help();
  program
    .configureHelp({
      optionDescription: (option) =>
        plain.optionDescription(option) + (option.mandatory ? ' (required)' : ''),
    })
    .addHelpText('afterAll', ({ command }) => endOf(command));
}

/** What the help of a command ends with. */
function endOf(command: Command): string {
  if (command.parent === null) return PROGRAM;
  // A group: its commands have their own.
  if (command.commands.length > 0) return '';
  const words: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) words.unshift(at.name());
  const isJson = command.options.some(({ long }) => long === '--json');
  return (OTHERS[words.join(' ')] ?? COMMON) + (isJson ? ERRORS_AS_JSON : ERRORS);
}
