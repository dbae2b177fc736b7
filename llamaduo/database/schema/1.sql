-- The tables of the ledger, see ledger.py. Another shape is a file more, and never a change here.
create table calls (
    key text primary key, service text not null, request text not null, seed bigint not null,
    stage text not null, row text not null, run text not null,
    state text not null check (state in ('claimed', 'answered')),
    owner text not null, reserved double precision not null, claimed_at double precision not null
);
create table replies (
    key text not null, attempt bigint not null,
    outcome text not null, cause text not null, text text not null,
    prompt_tokens bigint not null, completion_tokens bigint not null,
    usd double precision not null, seconds double precision not null,
    at double precision not null,
    primary key (key, attempt)
);
create table uses (recipe text not null, key text not null, primary key (recipe, key))
    without rowid;
create table runs (
    run text primary key, spent double precision not null, reserved double precision not null
);
create index claims on calls (owner) where state = 'claimed'
