import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { registerCeremony } from './ceremony.ts';
import { registerCircuits } from './circuits.ts';
import { registerDeploy } from './deploy.ts';
import { registerDev } from './dev.ts';
import { addCommonHelp } from './help.ts';
import { registerKeeper } from './keeper.ts';
import { registerMargin } from './margin.ts';
import { registerPrice } from './price.ts';
import { registerProver } from './prover.ts';
import { registerSchema } from './schema.ts';
import { registerServe } from './serve.ts';
import { registerStore } from './store.ts';
import { registerSurface } from './surface.ts';

const program = new Command('zkmargin');
let printed = '';
program.exitOverride().configureOutput({
  writeOut: (text) => {
    printed += text;
  },
});
addCommonHelp(program);
for (const register of [
  registerCeremony,
  registerCircuits,
  registerDeploy,
  registerDev,
  registerKeeper,
  registerMargin,
  registerPrice,
  registerProver,
  registerSchema,
  registerServe,
  registerStore,
  registerSurface,
]) {
  register(program);
}

function helpOf(command: Command): string {
  printed = '';
  command.outputHelp();
  return printed;
}

/** All commands with what is typed for them. */
function leaves(command: Command, words: readonly string[] = []): [string, Command][] {
  if (command.commands.length === 0) return [[words.join(' '), command]];
  return command.commands.flatMap((child) => leaves(child, [...words, child.name()]));
}

const COMMANDS = leaves(program);

describe.each(COMMANDS)('the help of %s', (words, command) => {
  const help = helpOf(command);

  it('tells its exit codes, once, and how errors are told', () => {
    expect(help.match(/Exit codes:/g)).toHaveLength(1);
    expect(help).toContain('CODE (field): message');
    expect(help.includes('one line of JSON')).toBe(words !== 'dev');
  });

  it('marks what is required, describes every option, and leaves no marks of documents', () => {
    for (const option of command.options) {
      expect(option.description, option.flags).not.toBe('');
      if (!option.mandatory) continue;
      const shown = help.replace(/\s+/g, ' ');
      const from = shown.indexOf(option.flags);
      expect(shown.slice(from, shown.indexOf(' --', from + 3))).toContain('(required)');
    }
    expect(help).not.toContain('`');
    expect(help).not.toMatch(/\n\n\n|undefined/);
  });
});

it('has examples that can be typed', () => {
  const examples = [program, ...program.commands, ...COMMANDS.map(([, command]) => command)]
    .flatMap((command) => helpOf(command).match(/zkmargin [a-z].*/g) ?? [])
    .filter((line) => COMMANDS.some(([words]) => `${line} `.startsWith(`zkmargin ${words} `)));
  expect(examples.length).toBeGreaterThan(25);
  for (const example of new Set(examples)) {
    const [, command] = COMMANDS.find(([words]) => `${example} `.startsWith(`zkmargin ${words} `))!;
    const known = command.options.map(({ long }) => long);
    const flags = example.split('(')[0]!.match(/--[a-z][a-z-]*/g) ?? [];
    expect(
      flags.filter((flag) => !known.includes(flag)),
      example,
    ).toEqual([]);
  }
});

it('tells the codes of a ceremony that is verified', () => {
  expect(helpOf(COMMANDS.find(([words]) => words === 'ceremony verify')![1])).toMatch(
    /0 a final key; 1 refused[\s\S]*2 in order so far, and not for use/,
  );
});
