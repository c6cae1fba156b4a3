# The same for puma.
KEPT = []
SIZE = Integer(ENV.fetch("FIELD_SIZE", "2000"))
run lambda { |environment|
  _, use, key = environment["PATH_INFO"].split("/")
  rows = Array.new(SIZE / 100) { |number| "row #{number} of #{key} #{rand} #{'x' * 60}" }
  KEPT << rows if use == "keep"
  [200, { "content-type" => "text/plain" }, [rows.join("\n")]]
}
