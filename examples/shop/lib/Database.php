<?php

declare(strict_types=1);

/** The shop's data: SQLite on a mount. */
final class Database
{
    private const FILE = __DIR__ . '/../data/shop.db';
    private const MIGRATIONS = __DIR__ . '/../migrations';

    public static function open(): PDO
    {
        $database = new PDO('sqlite:' . self::FILE, options: [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC]);
        $database->exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON');
        return $database;
    }

    public static function exists(): bool
    {
        return is_file(self::FILE);
    }

    public static function has(PDO $database, string $table): bool
    {
        $found = $database->prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
        $found->execute([$table]);
        return $found->fetchColumn() !== false;
    }

    /** @return array<int, string> the files of the migrations that are still to be done, by version */
    public static function pending(PDO $database): array
    {
        $version = (int) $database->query('PRAGMA user_version')->fetchColumn();
        $files = glob(self::MIGRATIONS . '/*.sql');
        sort($files);
        $versions = array_map(static fn (string $file): int => (int) basename($file), $files);
        return array_filter(
            array_combine($versions, $files),
            static fn (int $number): bool => $number > $version,
            ARRAY_FILTER_USE_KEY,
        );
    }

    /** Does one migration, all of it or nothing. */
    public static function migrate(PDO $database, int $version, string $file): void
    {
        $database->beginTransaction();
        try {
            $database->exec(file_get_contents($file));
            $database->exec("PRAGMA user_version = $version");
            $database->commit();
        } catch (Throwable $error) {
            $database->rollBack();
            throw $error;
        }
    }
}
