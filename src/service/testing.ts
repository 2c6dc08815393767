/** The market that requests of the service's tests name: that of the example surfaces, under the default parameters. */
import { readFileSync } from 'node:fs';
import { DEFAULT_PARAMETERS, packParameters } from '../margin/parameters.ts';
import { exampleRound, type SviSurfaces } from '../market/example-market.ts';
import { type MarketRound, packRound } from '../market/words.ts';

/** A round of BTC as the example surfaces have it. */
export function btcRound(): MarketRound {
  const surfaces = JSON.parse(
    readFileSync(new URL('../../examples/surfaces-2025-02-19.json', import.meta.url), 'utf8'),
  ) as SviSurfaces;
  return exampleRound(surfaces, 'BTC', {});
}

/** What a request says of a market. */
export function marketOfRequest(round: MarketRound = btcRound()) {
  const { underlyingWord, expiryWords } = packRound(round);
  const { header, scenarioWords } = packParameters(DEFAULT_PARAMETERS);
  return {
    underlyingWord: String(underlyingWord),
    expiryWords: expiryWords.map(String),
    parameters: { header: String(header), scenarioWords: scenarioWords.map(String) },
  };
}
