import ArgumentParser
import AsyncHTTPClient
@main struct X { static func main() {} }
