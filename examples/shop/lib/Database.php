<?php

declare(strict_types=1);

/** The shop's data: this environment's MariaDB, as Wharf's variables say how to reach it. */
final class Database
{
    private const MIGRATIONS = __DIR__ . '/../migrations';

    public static function open(): PDO
    {
        $socket = getenv('DATABASE_SOCKET');
        $address = "mysql:unix_socket=$socket;charset=utf8mb4;dbname=" . getenv('DATABASE_NAME');
        $options = [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC];
        return new PDO($address, getenv('DATABASE_USER'), getenv('DATABASE_PASSWORD'), $options);
    }

    public static function has(PDO $database, string $table): bool
    {
        $found = $database->prepare(
            'SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
        );
        $found->execute([$table]);
        return $found->fetchColumn() !== false;
    }

    /** @return array<int, string> the files of the migrations that are still to be done, by version */
    public static function pending(PDO $database): array
    {
        $version = self::has($database, 'migration')
            ? (int) $database->query('SELECT MAX(version) FROM migration')->fetchColumn()
            : 0;
        $files = glob(self::MIGRATIONS . '/*.sql');
        sort($files);
        $versions = array_map(static fn (string $file): int => (int) basename($file), $files);
        return array_filter(
            array_combine($versions, $files),
            static fn (int $number): bool => $number > $version,
            ARRAY_FILTER_USE_KEY,
        );
    }

    /**
     * Does one migration. MariaDB commits each change of a table by itself, so one that failed half-way
     * is done again from its beginning: its statements must bear to be said twice.
     */
    public static function migrate(PDO $database, int $version, string $file): void
    {
        $database->exec('CREATE TABLE IF NOT EXISTS migration (version INT PRIMARY KEY)');
        foreach (explode(";\n", rtrim(file_get_contents($file))) as $statement) {
            $database->exec($statement);
        }
        $database->prepare('INSERT INTO migration (version) VALUES (?)')->execute([$version]);
    }
}
