<?php

declare(strict_types=1);

/** Money, in cents. */
final class Price
{
    private const VAT = 19;

    public static function gross(int $net): int
    {
        return $net + intdiv($net * self::VAT, 100);
    }

    public static function shown(int $cents): string
    {
        return sprintf('%d.%02d EUR', intdiv($cents, 100), $cents % 100);
    }
}
