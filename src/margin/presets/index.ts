/** The presets by name. */
import { ZkMarginError } from '../../errors.ts';
import type { MarginModel } from '../engine/model.ts';
import { deribitModel } from './deribit.ts';
import { pmrm2Model } from './pmrm2.ts';
import { rammCoreModel, rammModel } from './ramm.ts';
import { spanModel } from './span.ts';

const PRESETS: Readonly<Record<string, () => MarginModel>> = {
  ramm: () => rammModel(),
  'ramm-core': () => rammCoreModel(),
  pmrm2: () => pmrm2Model(),
  span: () => spanModel(),
  deribit: () => deribitModel(),
};

/** Names of all presets. */
export const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/**
 * The preset of a name.
 *
 * @throws ZkMarginError `UNKNOWN_MODEL`
 */
export function presetModel(name: string, field = 'model'): MarginModel {
  if (!Object.hasOwn(PRESETS, name)) {
    throw new ZkMarginError('UNKNOWN_MODEL', `Use one of the models ${PRESET_NAMES.join(', ')}.`, {
      field,
      details: { model: name.slice(0, 64) },
    });
  }
  return PRESETS[name]!();
}
