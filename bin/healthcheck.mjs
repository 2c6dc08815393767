#!/usr/bin/env node
// Ends with 0 when /livez answers 200 on this machine; for containers without curl. Provers and keepers answer on the port of their
// metrics.
const { ZKMARGIN_METRICS_PORT, ZKMARGIN_KEEPER_METRICS_PORT, ZKMARGIN_PORT } = process.env;
const port = ZKMARGIN_METRICS_PORT || ZKMARGIN_KEEPER_METRICS_PORT || ZKMARGIN_PORT || '8080';
try {
  const answer = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(8_000) });
  if (!answer.ok) console.error(`${answer.status} ${(await answer.text()).slice(0, 2_000)}`);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.error(`no answer on port ${port}: ${error.cause?.code ?? error.name}`);
  process.exitCode = 1;
}
