-- Value of an account's collateral at which slices of it are priced in liquidations, at last known prices, 1e-6 units; at least the value after
-- haircuts. Contracts that know of it are others than those of the rows that are here already, and a store is of one deployment: those rows are
-- never read as rows of these contracts, and get the least value that can be true of them.
alter table account_states add column sale_collateral numeric(78,0);
update account_states set sale_collateral = collateral;
alter table account_states alter column sale_collateral set not null;
