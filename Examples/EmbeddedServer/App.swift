import Hummingbird
@main struct X { static func main() {} }
