"""Account of a database, so that no loss goes unnoticed: rows and a checksum per table, sequences, all definitions.

A checksum is the sum of a hash of each row as text: it does not depend on the order of the rows, and the server computes
it row by row.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from systems.bzzz.restore.models import Account, TableAccount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

__all__ = ["account_of", "rows_of"]

# Settings on which a row's text depends.
_FORMS = (
    "set datestyle to 'ISO, YMD'; set timezone to 'UTC'; set intervalstyle to 'postgres'; "
    "set extra_float_digits to 1; set bytea_output to 'hex'; set lc_monetary to 'C'; set xmloption to 'content'; "
    "set search_path to pg_catalog; set row_security to off"
)
_OURS = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'"
_TABLES = f"""
select n.nspname, c.relname, pg_get_userbyid(c.relowner) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and {_OURS} order by 1, 2
"""  # noqa: S608 -- constants only
_SUM = "select count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text from only {} as t"
_SEQUENCES = "select quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value from pg_sequences order by 1"
_STEPS = """
select quote_ident(schemaname) || '.' || quote_ident(sequencename), format('%s from %s to %s step %s, owner %s', data_type,
min_value, max_value, increment_by, sequenceowner) from pg_sequences order by 1
"""
_CONSTRAINTS = f"""
select conrelid::regclass || ' ' || conname, pg_get_constraintdef(k.oid) || case when convalidated then '' else ' NOT VALID' end
from pg_constraint k join pg_namespace n on n.oid = k.connamespace where {_OURS} and conrelid <> 0 order by 1
"""  # noqa: S608
_INDEXES = f"""
select indexrelid::regclass::text, pg_get_indexdef(indexrelid) || case when indisvalid then '' else ' INVALID' end
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where {_OURS} order by 1
"""  # noqa: S608
_COLUMNS = f"""
select attrelid::regclass || '.' || quote_ident(attname), format_type(atttypid, atttypmod) || case when attnotnull
then ' not null' else '' end || coalesce(' default ' || pg_get_expr(adbin, adrelid), '') from pg_attribute a
join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attnum > 0 and not attisdropped and c.relkind in ('r', 'p', 'm', 'v', 'f') and {_OURS} order by 1
"""  # noqa: S608
_VIEWS = f"""
select c.oid::regclass::text, pg_get_viewdef(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and {_OURS} order by 1
"""  # noqa: S608
_FUNCTIONS = f"""
select p.oid::regprocedure::text, pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind in ('f', 'p') and {_OURS} order by 1
"""  # noqa: S608
_TRIGGERS = f"""
select tgrelid::regclass || ' ' || tgname, pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = tgrelid
join pg_namespace n on n.oid = c.relnamespace where not tgisinternal and {_OURS} order by 1
"""  # noqa: S608
_DEFINITIONS = {
    "sequence": _STEPS,
    "column": _COLUMNS,
    "constraint": _CONSTRAINTS,
    "index": _INDEXES,
    "view": _VIEWS,
    "function": _FUNCTIONS,
    "trigger": _TRIGGERS,
}


@contextmanager
def _snapshot(url: str, statement: timedelta) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection that reads one snapshot of a database; `statement` bounds each statement."""
    with psycopg.connect(url, application_name="opsverify", connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        limit = str(int(statement.total_seconds() * 1000))
        connection.execute("select set_config('statement_timeout', %s, false)", [limit])
        connection.execute(_FORMS)
        yield connection


def account_of(url: str, statement: timedelta) -> Account:
    """Account for a database in one snapshot; `statement` bounds each statement.

    Raises:
        psycopg.Error: it cannot be read.
    """
    with _snapshot(url, statement) as connection:
        tables = {}
        for schema, name, owner in connection.execute(_TABLES).fetchall():
            where = sql.Identifier(schema, name)
            ((rows, checksum),) = connection.execute(sql.SQL(_SUM).format(where)).fetchall()
            tables[f"{schema}.{name}"] = TableAccount(rows=rows, checksum=checksum, owner=owner)
        definitions = {
            f"{kind} {name}": definition
            for kind, query in _DEFINITIONS.items()
            for name, definition in connection.execute(query.encode()).fetchall()
        }
        sequences = dict(connection.execute(_SEQUENCES).fetchall())
    return Account(tables=tables, sequences=sequences, definitions=definitions)


def rows_of(url: str, statement: timedelta) -> dict[str, int]:
    """How many rows each table of a database has."""
    count = "select count(*) from only {}"
    with _snapshot(url, statement) as connection:
        tables = connection.execute(_TABLES.encode()).fetchall()
        return {
            f"{schema}.{name}": connection.execute(
                sql.SQL(count).format(sql.Identifier(schema, name))
            ).fetchall()[0][0]
            for schema, name, _ in tables
        }
