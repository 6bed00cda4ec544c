"""All of an import: from an uploaded file to rows in the database, a report, and the way back.

`files` opens an upload, `readers` recognises and reads it, `parse` makes sorted runs of it (`runs`), `merge`
writes them range by range with a checkpoint, `undo` takes an import back. `import_ratings` conducts.

Why not DuckDB, which reads the same file several times as fast? Reading is the smaller part: of 20M rows it
is two seconds, and the merge into a table with a key, exactly once and beside other writers, twelve. That
would stay ours: DuckDB writes neither a checkpoint in the same transaction nor anything to SQLite without an
extension that is downloaded at run time. And a report has to account for every row. Of 4,956 bad rows in 5M
DuckDB's own rejects named 2,499; it drops blank lines, makes a whole number of the id 1.5 and nothing of an
empty one, and a quote that is left open takes good rows with it, as in every general CSV reader that was
tried. Lines that are cut first, and judged each by itself, do not have that.
"""
