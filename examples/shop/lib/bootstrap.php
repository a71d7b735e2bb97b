<?php

declare(strict_types=1);

// Made by bin/compile; a work tree in which nothing was built yet looks by itself.
$classes = @include __DIR__ . '/../generated/classes.php' ?: [];

spl_autoload_register(static function (string $class) use ($classes): void {
    $file = __DIR__ . '/' . ($classes[$class] ?? "$class.php");
    if (is_file($file)) {
        require $file;
    }
});
