-- The tables of the ledger, see ledger.py. Another shape is another SCHEMA number there.
create table calls (
    key text primary key, service text not null, request text not null, seed integer not null,
    stage text not null, row text not null, run text not null,
    state text not null check (state in ('claimed', 'answered')),
    owner text not null, reserved real not null, claimed_at real not null
);
create table replies (
    key text not null references calls, attempt integer not null,
    outcome text not null, cause text not null, text text not null,
    prompt_tokens integer not null, completion_tokens integer not null, usd real not null,
    seconds real not null, at real not null,
    primary key (key, attempt)
);
create table uses (recipe text not null, key text not null, primary key (recipe, key))
    without rowid;
create table runs (run text primary key, spent real not null, reserved real not null);
create index claims on calls (owner) where state = 'claimed';
