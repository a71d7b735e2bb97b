<?php

declare(strict_types=1);

/** What the shop keeps in this environment's Redis: carts, the list of products, the bell of new orders. */
final class Memory
{
    /** How long a cart lasts that nobody touches. */
    private const LASTS = 30 * 24 * 60 * 60;

    private function __construct(private readonly Redis $redis)
    {
    }

    public static function open(): self
    {
        $redis = new Redis();
        $redis->connect(getenv('REDIS_SOCKET'));
        $redis->auth(getenv('REDIS_PASSWORD'));
        return new self($redis);
    }

    public function put(string $cart, string $sku): void
    {
        $this->redis->hIncrBy("cart:$cart", $sku, 1);
        $this->redis->expire("cart:$cart", self::LASTS);
    }

    /** @return array<string, int> how many of each product are in a cart */
    public function cart(string $cart): array
    {
        return array_map(intval(...), $this->redis->hGetAll("cart:$cart"));
    }

    public function forgetCart(string $cart): void
    {
        $this->redis->del("cart:$cart");
    }

    public function forgetAll(): void
    {
        $this->redis->flushDb();
    }

    /** The products, which $find tells where they are not known. */
    public function products(callable $find): array
    {
        $known = $this->redis->get('products');
        if ($known !== false) {
            return json_decode($known, true, flags: JSON_THROW_ON_ERROR);
        }
        $products = $find();
        $this->redis->set('products', json_encode($products, JSON_THROW_ON_ERROR));
        return $products;
    }

    public function forgetProducts(): void
    {
        $this->redis->del('products');
    }

    /** Says that there is an order. */
    public function ring(): void
    {
        $this->redis->lPush('orders', 1);
    }

    /** Waits until somebody rings, but no longer than so many seconds. */
    public function listen(int $seconds): void
    {
        $this->redis->brPop('orders', $seconds);
    }
}
