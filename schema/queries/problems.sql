-- Why the store cannot be trusted with more spans: a disk as good as full, parts of our tables that are broken. One that
-- was found broken at the start is set aside; what reads of the others came upon is in system.errors, by path, or the engine
-- has told it.
SELECT concat('the disk is full: ', formatReadableSize(free_space), ' left at ', path) AS problem
FROM system.disks
WHERE type = 'Local' AND free_space < {minFreeBytes:UInt64}
UNION DISTINCT
SELECT concat('part ', name, ' of ', table, ' is set aside: ', reason)
FROM system.detached_parts
WHERE database = currentDatabase() AND startsWith(reason, 'broken')
UNION DISTINCT
SELECT DISTINCT concat('part ', part.name, ' of ', part.table, ' is corrupted')
FROM system.parts AS part CROSS JOIN system.errors AS error
WHERE part.active AND part.database = currentDatabase()
  AND error.name IN ('CHECKSUM_DOESNT_MATCH', 'CORRUPTED_DATA', 'BAD_SIZE_OF_FILE_IN_DATA_PART',
                     'NO_FILE_IN_DATA_PART', 'UNEXPECTED_FILE_IN_DATA_PART', 'FILE_DOESNT_EXIST',
                     'CANNOT_READ_ALL_DATA', 'CANNOT_DECOMPRESS', 'UNKNOWN_CODEC', 'SIZES_OF_COLUMNS_DOESNT_MATCH')
  AND position(error.last_error_message, part.path) > 0
UNION DISTINCT
SELECT concat('part ', name, ' of ', table, ' is corrupted')
FROM system.parts
WHERE active AND database = currentDatabase() AND arrayExists(error -> position(error, path) > 0, {said:Array(String)})
