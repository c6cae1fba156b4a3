<?php // The same lines for PHP: a map that only grows, one that keeps the last entries, or garbage with cycles.
[, $port, $size, $entries] = $argv;
$kept = [];
$server = stream_socket_server("tcp://127.0.0.1:$port");
function made($key, $size) {
    $row = ["key" => $key, "text" => bin2hex(random_bytes(intdiv($size, 2)))];
    $row["self"] = &$row;
    return $row;
}
while ($client = stream_socket_accept($server, -1)) {
    while (($line = fgets($client)) !== false) {
        [$use, $key] = explode(" ", trim($line));
        $text = bin2hex(random_bytes(intdiv($size, 2)));
        if ($use == "keep") $kept[$key] = $text;
        if ($use == "put") {
            $kept[$key] = $text;
            if (count($kept) > $entries) unset($kept[array_key_first($kept)]);
        }
        if ($use == "work") for ($i = 0; $i < 20; $i++) made($i, $size);
        fwrite($client, "ok\n");
    }
}
