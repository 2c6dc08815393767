import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { News } from './news.ts';
import { OneAtATime } from './one-at-a-time.ts';

it('work runs once at a time, and once more for all that was asked for meanwhile', async () => {
  let [running, most, runs] = [0, 0, 0];
  let ended = false;
  const goOn: (() => void)[] = [];
  const work = new OneAtATime(
    async () => {
      runs++;
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => goOn.push(resolve));
      running--;
    },
    () => ended,
  );
  const first = work.run();
  expect([runs, work.wanted]).toEqual([1, false]);
  for (let times = 0; times < 5; times++) void work.run();
  expect([runs, work.wanted]).toEqual([1, true]);
  goOn[0]!();
  await nextTurn();
  expect(runs).toBe(2);
  goOn[1]!();
  await first;
  expect([runs, most]).toEqual([2, 1]);
  ended = true;
  await work.run();
  await work.settled();
  expect(runs).toBe(2);
});

it('news between a look and the rest after it is not missed, nor is news in the rest', async () => {
  const news = new News();
  const seen = news.count;
  news.tell();
  await news.rest(seen, 2 ** 30);
  const resting = news.rest(news.count, 2 ** 30);
  news.tell();
  await resting;
  await news.rest(news.count, 1);
});
