<?php

declare(strict_types=1);

require __DIR__ . '/../lib/bootstrap.php';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$database = Database::open();
if ($path === '/health') {
    $good = Database::pending($database) === [];
    http_response_code($good ? 200 : 503);
    header('Content-Type: text/plain');
    exit($good ? "ok\n" : "the database is too old\n");
}
$shop = new Shop($database, Memory::open());
$settings = Settings::all($database);
$locale = explode(',', $settings['locales'])[0];
$cart = $_COOKIE['cart'] ?? '';
if (!preg_match('/^[0-9a-f]{32}$/D', $cart)) {
    $cart = bin2hex(random_bytes(16));
    setcookie('cart', $cart, ['httponly' => true, 'samesite' => 'Lax']);
}
$note = '';
if ($_SERVER['REQUEST_METHOD'] === 'POST' && $path === '/cart') {
    $shop->put($cart, (string) $_POST['sku']);
    header('Location: /cart', response_code: 303);
    exit;
}
if ($_SERVER['REQUEST_METHOD'] === 'POST' && $path === '/order') {
    $email = filter_var($_POST['email'] ?? '', FILTER_VALIDATE_EMAIL);
    $number = $email === false ? null : $shop->buy($cart, $email);
    http_response_code($number === null ? 422 : 200);
    $note = $number === null ? 'An order needs something in the cart and an e-mail address' : "Order $number";
} elseif (!in_array($path, ['/', '/cart'], true)) {
    http_response_code(404);
    $note = 'Not here';
}
$h = htmlspecialchars(...);
?>
<!doctype html>
<html lang="<?= $h($locale) ?>">
<meta charset="utf-8">
<title><?= $h($settings['title']) ?></title>
<link rel="stylesheet" href="/static/<?= $h($locale) ?>/style.css">
<h1><?= $h($settings['title']) ?></h1>
<p><?= $h($note) ?></p>
<?php if ($path === '/cart'): ?>
<ul>
<?php foreach ($lines = $shop->lines($cart) as $line): ?>
<li><?= $line['amount'] ?> <?= $h($line['title']) ?>: <?= Price::shown($line['gross']) ?></li>
<?php endforeach ?>
</ul>
<p>Total: <?= Price::shown(array_sum(array_column($lines, 'gross'))) ?></p>
<form method="post" action="/order">
<input type="email" name="email" placeholder="Invoice to" required> <button>Buy</button></form>
<?php else: ?>
<ul>
<?php foreach ($shop->products() as $product): ?>
<li><form method="post" action="/cart">
<?= $h($product['title']) ?>: <?= Price::shown(Price::gross($product['net'])) ?>

<button name="sku" value="<?= $h($product['sku']) ?>">Into the cart</button></form></li>
<?php endforeach ?>
</ul>
<?php endif ?>
</html>
