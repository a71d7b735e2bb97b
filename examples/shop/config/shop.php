<?php return array (
  'locales' => 'en,de',
  'theme' => 'harbour',
  'title' => 'The Harbour Shop',
);
