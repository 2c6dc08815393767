#!/usr/bin/env node
/**
 * The command-line interface that forge expects of a Solidity compiler, over npm's `solc`: `--version`, and
 * `--standard-json` from standard input to standard output. forge hands over sources, so no path is read here.
 */
'use strict';

const wantsVersion = process.argv.includes('--version');
const wantsStandardJson = process.argv.includes('--standard-json');
if (!wantsVersion && !wantsStandardJson) {
  process.stderr.write('Use --version or --standard-json.\n');
  process.exit(2);
}

const solc = require('solc');
if (wantsVersion) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else {
  const chunks = [];
  process.stdin.on('data', (chunk) => chunks.push(chunk));
  process.stdin.on('end', () => {
    process.stdout.write(solc.compile(Buffer.concat(chunks).toString('utf8')));
  });
}
