/** The accounts that are monitored, compiled in parts so that a change of one does not compile all others again. */

import { requireBigint, ZkMarginError } from '../../errors.ts';
import { MAX_MONEY } from '../../margin/exact/bounds.ts';
import { compileBook, type FloatAccount, type FloatBook } from '../../margin/float/screen.ts';
import type { Leg } from '../../market/instrument.ts';

/** What the monitor knows of an account. Money in 1e-6 USD. */
export interface MonitoredAccount {
  readonly id: bigint;
  readonly legs: readonly Leg[];
  /** 2^-40. */
  readonly scale: bigint;
  /** Signed. */
  readonly cash: bigint;
  /** Value of collateral after haircuts, at present prices. */
  readonly collateral: bigint;
  /** Part of {@link collateral} that moves with the underlying, and so enters the requirement; 0 unless given. */
  readonly movingCollateral?: bigint;
  /** Value of collateral at which slices are priced; {@link collateral} unless given. */
  readonly saleCollateral?: bigint;
  readonly nonce: bigint;
  readonly inAuction: boolean;
  /** Cash that bids of the running auction have paid; 0 unless given. */
  readonly reserved?: bigint;
}

/** Some accounts, compiled together. */
export interface BookPart {
  readonly accounts: readonly MonitoredAccount[];
  /** Account i is `accounts[i]`, with all collateral in its cash. */
  readonly book: FloatBook;
}

/** Accounts of a part. */
const PART_SIZE = 2_048;

/**
 * Compiles accounts.
 *
 * @throws ZkMarginError as `compileBook`
 */
export function compileAccounts(accounts: readonly MonitoredAccount[], underlyingId: bigint): BookPart {
  const floats = accounts.map(
    ({
      legs,
      scale,
      cash,
      collateral,
      movingCollateral = 0n,
      saleCollateral = collateral,
    }): FloatAccount => ({
      legs,
      scale,
      cash: cash + collateral,
      movingCollateral,
      saleAddition: saleCollateral - collateral,
      underlyingId,
    }),
  );
  return { accounts, book: compileBook(floats) };
}

interface Slot {
  readonly ids: Set<bigint>;
  compiled: BookPart | undefined;
}

/** Accounts of one underlying by id. */
export class MonitoredBook {
  readonly underlyingId: bigint;
  private readonly accounts = new Map<bigint, MonitoredAccount>();
  private readonly slots: Slot[] = [];
  private readonly slotOf = new Map<bigint, Slot>();

  constructor(underlyingId: bigint) {
    this.underlyingId = underlyingId;
  }

  get size(): number {
    return this.accounts.size;
  }

  /** Undefined for an unknown id. */
  get(id: bigint): MonitoredAccount | undefined {
    return this.accounts.get(id);
  }

  all(): IterableIterator<MonitoredAccount> {
    return this.accounts.values();
  }

  /**
   * Adds or replaces an account.
   *
   * @throws ZkMarginError of legs, scale and amounts, naming the field; the book is as before then
   */
  set(account: MonitoredAccount): void {
    const field = `accounts[${account.id}]`;
    requireBigint(account.id, 0n, 2n ** 256n - 1n, 'id');
    requireBigint(account.nonce, 0n, 2n ** 256n - 1n, `${field}.nonce`);
    requireBigint(account.collateral, 0n, MAX_MONEY, `${field}.collateral`);
    requireBigint(account.movingCollateral ?? 0n, 0n, account.collateral, `${field}.movingCollateral`);
    requireBigint(account.reserved ?? 0n, 0n, MAX_MONEY, `${field}.reserved`);
    requireBigint(account.cash, -MAX_MONEY, MAX_MONEY - account.collateral, `${field}.cash`);
    try {
      compileAccounts([account], this.underlyingId);
    } catch (error) {
      // The compiler names the account by its place in a list.
      if (!(error instanceof ZkMarginError) || error.field === undefined) throw error;
      throw new ZkMarginError(error.code, error.message, {
        field: error.field.replace('accounts[0]', field),
        details: error.details,
      });
    }
    this.accounts.set(account.id, account);
    let slot = this.slotOf.get(account.id);
    if (slot === undefined) {
      slot = this.slots.at(-1);
      if (slot === undefined || slot.ids.size >= PART_SIZE) {
        slot = this.slots.find(({ ids }) => ids.size < PART_SIZE / 2);
        if (slot === undefined) {
          slot = { ids: new Set(), compiled: undefined };
          this.slots.push(slot);
        }
      }
      slot.ids.add(account.id);
      this.slotOf.set(account.id, slot);
    }
    slot.compiled = undefined;
  }

  /** Removes an account; false when there was none. */
  delete(id: bigint): boolean {
    const slot = this.slotOf.get(id);
    if (slot === undefined) return false;
    slot.ids.delete(id);
    slot.compiled = undefined;
    this.slotOf.delete(id);
    return this.accounts.delete(id);
  }

  /** All accounts, compiled; only parts that have changed since are compiled again. */
  parts(): BookPart[] {
    const parts: BookPart[] = [];
    for (const slot of this.slots) {
      if (slot.ids.size === 0) continue;
      slot.compiled ??= compileAccounts(
        Array.from(slot.ids, (id) => this.accounts.get(id)!),
        this.underlyingId,
      );
      parts.push(slot.compiled);
    }
    return parts;
  }
}
