<?php

declare(strict_types=1);

/** What visitors see and buy. */
final class Shop
{
    /** Kept until bin/clear-cache. */
    private const CACHE = __DIR__ . '/../var/cache/products.json';

    public function __construct(private readonly PDO $database)
    {
    }

    /** @return list<array{sku: string, title: string, net: int}> */
    public function products(): array
    {
        $cached = @file_get_contents(self::CACHE);
        if ($cached !== false) {
            return json_decode($cached, true, flags: JSON_THROW_ON_ERROR);
        }
        $products = $this->database->query('SELECT sku, title, net FROM product ORDER BY title')->fetchAll();
        @mkdir(dirname(self::CACHE));
        $new = self::CACHE . '.' . getmypid();
        file_put_contents($new, json_encode($products, JSON_THROW_ON_ERROR));
        rename($new, self::CACHE);
        return $products;
    }

    public function put(string $cart, string $sku): void
    {
        $this->database->prepare('INSERT INTO line (cart, sku) VALUES (?, ?)')->execute([$cart, $sku]);
    }

    /** What is in a cart, gross, in cents. */
    public function total(string $cart): int
    {
        $nets = $this->database->prepare('SELECT net FROM line JOIN product USING (sku) WHERE cart = ?');
        $nets->execute([$cart]);
        return array_sum(array_map(Price::gross(...), $nets->fetchAll(PDO::FETCH_COLUMN)));
    }

    /** Buys what is in a cart; returns the order's number. */
    public function buy(string $cart): int
    {
        $total = $this->total($cart);
        $this->database->beginTransaction();
        $this->database->prepare('INSERT INTO sale (cart, total) VALUES (?, ?)')->execute([$cart, $total]);
        $number = (int) $this->database->lastInsertId();
        $this->database->prepare('DELETE FROM line WHERE cart = ?')->execute([$cart]);
        $this->database->commit();
        return $number;
    }
}
