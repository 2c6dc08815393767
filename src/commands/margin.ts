/** `zkmargin margin`: the margin of a portfolio under a model. */
import type { Command } from 'commander';
import { printJson, readDocument, writeLine } from './io.ts';

const HELP = `
FILE is a JSON document, or - for standard input, and one of
  portfolio  {"market", "portfolio", "model"?, "parameters"?, "trades"?, "shocks"?, "history"?, "tailRisk"?}; print its
             JSON Schema with: zkmargin schema margin
  PMRM2      a case in the format of Derive's test portfolios, or {"cases": [...]}; prints [{id, mm, im, scenarioPnl}]

Models: ramm (the default), ramm-core (the part of it that is proven), pmrm2, span, deribit. "parameters" replaces single
values of a model; "model" may hold a whole one.

Prices, cash and results are in USD; quantities in units of the underlying, negative when sold; volatilities and rates are
fractions (0.55 is 55 %). "trades" are candidates: the report says what each would change.

Examples:
  $ zkmargin margin examples/margin-btc-eth.json
  $ zkmargin margin --model span --json examples/margin-btc-eth.json
  $ zkmargin schema margin | less                 (all keys of a document, with their units)`;

/** Adds the command to a program. */
export function registerMargin(program: Command): void {
  program
    .command('margin')
    .description('margin of a portfolio: requirement, components, risk matrix, Greeks, tail risk')
    .argument('<file>', 'JSON document, - for standard input')
    .option('--model <name>', "model in place of the document's: ramm, ramm-core, pmrm2, span, deribit")
    .option(
      '--history <file>',
      'history of prices or returns, for VaR and Expected Shortfall (zkmargin schema returns)',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (file: string, options: { model?: string; history?: string; json?: boolean }) => {
      const document = await readDocument(file);
      const { isPmrm2Document } = await import('../input/pmrm2.ts');
      if (isPmrm2Document(document)) {
        await pmrm2(document, options);
        return;
      }
      const { readMarginDocument } = await import('../input/margin.ts');
      const { marginResult } = await import('../report/margin-result.ts');
      const request = readMarginDocument(document, options.model);
      const history = options.history === undefined ? request.history : await readDocument(options.history);
      const result = marginResult({ ...request, history });
      if (options.json) {
        printJson(result);
        return;
      }
      const { marginReport } = await import('../report/margin-report.ts');
      writeLine(marginReport(result));
    });
}

async function pmrm2(document: unknown, options: { model?: string; json?: boolean }): Promise<void> {
  const { ZkMarginError } = await import('../errors.ts');
  if (options.model !== undefined && options.model !== 'pmrm2') {
    const { presetModel } = await import('../margin/presets/index.ts');
    presetModel(options.model, '--model');
    throw new ZkMarginError(
      'UNSUPPORTED',
      'Documents in this format carry the parameters of pmrm2; use --model pmrm2.',
      {
        field: '--model',
      },
    );
  }
  const { pmrm2Document } = await import('../input/pmrm2.ts');
  const results = pmrm2Document(document);
  if (options.json) {
    printJson(results);
    return;
  }
  const { decimal, textTable } = await import('../plain-text.ts');
  writeLine(
    textTable(
      [
        { title: 'case', align: 'left' },
        { title: 'maintenance margin' },
        { title: 'initial margin' },
        { title: 'worst scenario' },
      ],
      results.map(({ id, mm, im, scenarioPnl }, index) => [
        String(id ?? index),
        decimal(mm),
        decimal(im),
        decimal(Math.min(...scenarioPnl)),
      ]),
    ),
  );
}
