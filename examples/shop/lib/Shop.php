<?php

declare(strict_types=1);

/** What visitors see and buy. */
final class Shop
{
    public function __construct(private readonly PDO $database, private readonly Memory $memory)
    {
    }

    /** @return list<array{sku: string, title: string, net: int}> what sells best comes first */
    public function products(): array
    {
        $find = fn (): array => $this->database
            ->query('SELECT sku, title, net FROM product ORDER BY sold DESC, title')
            ->fetchAll();
        return $this->memory->products($find);
    }

    public function put(string $cart, string $sku): void
    {
        if (in_array($sku, array_column($this->products(), 'sku'), true)) {
            $this->memory->put($cart, $sku);
        }
    }

    /** @return list<array{sku: string, title: string, amount: int, gross: int}> what is in a cart */
    public function lines(string $cart): array
    {
        $amounts = $this->memory->cart($cart);
        $lines = [];
        foreach ($this->products() as ['sku' => $sku, 'title' => $title, 'net' => $net]) {
            if (isset($amounts[$sku])) {
                $amount = $amounts[$sku];
                $lines[] = ['sku' => $sku, 'title' => $title, 'amount' => $amount, 'gross' => $amount * Price::gross($net)];
            }
        }
        return $lines;
    }

    /** Buys what is in a cart; returns the order's number, or null where nothing is. */
    public function buy(string $cart, string $email): ?int
    {
        $lines = $this->lines($cart);
        if ($lines === []) {
            return null;
        }
        $this->database->beginTransaction();
        $sale = $this->database->prepare('INSERT INTO sale (email, total) VALUES (?, ?)');
        $sale->execute([$email, array_sum(array_column($lines, 'gross'))]);
        $number = (int) $this->database->lastInsertId();
        $add = $this->database->prepare('INSERT INTO sale_line (number, sku, amount, gross) VALUES (?, ?, ?, ?)');
        foreach ($lines as $line) {
            $add->execute([$number, $line['sku'], $line['amount'], $line['gross']]);
        }
        $this->database->commit();
        $this->memory->forgetCart($cart);
        $this->memory->ring();
        return $number;
    }
}
