# The same paths for WEBrick of Ruby: a list that only grows, sessions that end, or garbage.
require "webrick"
size = ENV["FIELD_SIZE"].to_i
kept, recent = [], []
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: ENV["FIELD_PORT"].to_i, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
server.mount_proc("/") do |request, response|
  _, use, key = request.path.split("/")
  rows = Array.new(size / 40) { |i| "row #{i} of #{key} #{rand}" }
  kept << rows if use == "keep"
  if use == "ttl"
    recent << [Time.now, rows]
    recent.shift while recent[0][0] < Time.now - 40
  end
  response.body = rows.join
end
trap("TERM") { server.shutdown }
server.start
