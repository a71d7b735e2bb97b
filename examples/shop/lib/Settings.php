<?php

declare(strict_types=1);

/**
 * What the shop is called, in which languages, with which theme.
 *
 * A value of the committed file is read-only everywhere it is deployed to; without that file the
 * database's counts, and can be changed in each environment.
 */
final class Settings
{
    public const COMMITTED = __DIR__ . '/../config/shop.php';

    private const DEFAULTS = ['title' => 'The Harbour Shop', 'theme' => 'harbour', 'locales' => 'en,de'];

    /** @return array<string, string> */
    public static function all(?PDO $database): array
    {
        return self::committed() + self::stored($database) + self::DEFAULTS;
    }

    public static function isCommitted(): bool
    {
        return is_file(self::COMMITTED);
    }

    /** @return array<string, string> */
    private static function committed(): array
    {
        return self::isCommitted() ? require self::COMMITTED : [];
    }

    /** @return array<string, string> */
    private static function stored(?PDO $database): array
    {
        if ($database === null || !Database::has($database, 'setting')) {
            return [];
        }
        return $database->query('SELECT name, value FROM setting')->fetchAll(PDO::FETCH_KEY_PAIR);
    }
}
