<?php

declare(strict_types=1);

/** One file for each order, on a mount. */
final class Invoices
{
    private const DIRECTORY = __DIR__ . '/../invoices';

    public function __construct(private readonly PDO $database)
    {
    }

    /** @return list<int> the orders that have none yet */
    public function missing(): array
    {
        return $this->database
            ->query('SELECT number FROM sale WHERE NOT invoiced ORDER BY number')
            ->fetchAll(PDO::FETCH_COLUMN);
    }

    /** Writes one. Whoever is stopped anywhere in it has it written again: the same file, whole. */
    public function write(int $number): void
    {
        $sale = $this->database->prepare('SELECT email, total FROM sale WHERE number = ?');
        $sale->execute([$number]);
        ['email' => $email, 'total' => $total] = $sale->fetch();
        $lines = $this->database->prepare('SELECT amount, title, gross FROM sale_line JOIN product USING (sku) WHERE number = ?');
        $lines->execute([$number]);
        $text = "Invoice $number to $email\n\n";
        foreach ($lines as ['amount' => $amount, 'title' => $title, 'gross' => $gross]) {
            $text .= sprintf("%3d %-20s %14s\n", $amount, $title, Price::shown($gross));
        }
        $text .= sprintf("%-24s %14s\n", 'Total', Price::shown($total));
        $file = sprintf('%s/%06d.txt', self::DIRECTORY, $number);
        file_put_contents("$file.new", $text);
        rename("$file.new", $file);
        $this->database->prepare('UPDATE sale SET invoiced = TRUE WHERE number = ?')->execute([$number]);
    }
}
